/**
 * A VM's destination in a move: a receiving QEMU waits for it and stands still (`-S`) until it is resumed with the token of
 * this receiver.
 */
import type { InstanceStatus, OrderBody, ReceiverInfo } from '#shared/hypervisor/qemu/protocol.ts';
import { Arrival } from './arrival.ts';
import { closeDisk } from './disk.ts';
import { retractAllBut } from './guest.ts';
import { relax } from './lan.ts';
import { type LocalVm, refused } from './local-vm.ts';
import { macAddress } from './names.ts';
import { clearRules, fence, mirror } from './packet-rules.ts';
import { isAlive } from './process.ts';
import { isListening, listen } from './receiver.ts';
import { untilReceived } from './runstate.ts';
import { countWrites, forgetCounts } from './written.ts';

/** The destination's part in a move. Owns the {@link Arrival} of a VM in post-copy. */
export class DestinationRole {
  readonly #vm: LocalVm;
  /** Set once the VM runs here in post-copy, while memory may still be missing. */
  #arrival: Arrival | undefined;

  constructor(vm: LocalVm) {
    this.#vm = vm;
  }

  /** Makes QEMU listen for the VM. @returns the addresses and ports, as recorded */
  async listen(): Promise<ReceiverInfo> {
    const vm = this.#vm;
    const qmp = await vm.open();
    if (qmp === undefined) throw await vm.whyGone();
    const { config } = vm.context;
    const { landing: receiver, peer } = vm.record.move!;
    const hasDisk = vm.record.machine.spec.diskBytes > 0;
    const settings = { qemu: config.qemu, certificates: vm.certificates, receiver, peer, hasDisk, fence: this.#fence };
    await listen(qmp, settings, async (ports) => {
      const move = vm.record.move!;
      await vm.save({ move: { ...move, landing: { ...move.landing, ...ports } } });
    });
    return vm.record.move!.landing;
  }

  /** True while QEMU waits for the VM, receives it, or has it. */
  async isListening(): Promise<boolean> {
    // The port is recorded last. Without it, QEMU may listen at a port that is on no record.
    return this.#vm.record.move?.landing.memoryPort !== 0 && (await isListening(this.#vm.monitor));
  }

  /** From now on this site's LAN also sends packets for the VM here. */
  async expect({ migration }: OrderBody<'expect'>): Promise<void> {
    this.#vm.moveOf(migration);
    await mirror(this.#vm.record, 'destination');
  }

  /** Closes the mirrored disk. Has to be done before the last of the memory arrives. */
  async closeDisk({ migration }: OrderBody<'closeDisk'>): Promise<void> {
    this.#vm.moveOf(migration);
    await closeDisk(this.#vm.live());
  }

  /** Runs the VM, from now on here. */
  async resume({ migration, token }: OrderBody<'resume'>): Promise<void> {
    const vm = this.#vm;
    const { landing, peer } = vm.moveOf(migration);
    if (landing.token !== token)
      throw refused(`the token ${token} is not valid any more; ask the destination for a new one`);
    const qmp = vm.live();
    const { ownership, machine } = vm.record;
    if (ownership !== 'home') {
      await untilReceived(qmp, vm.record.vm);
      await countWrites(qmp, peer, token, machine.spec.diskBytes);
      // Written down before it runs: after a crash in between the next agent knows that it has to run it.
      await vm.save({ ownership: 'home', arrivedBy: migration });
      vm.log.info({ migration, before: ownership, after: 'home', postCopy: landing.postCopy }, 'the VM has arrived');
    }
    if (landing.postCopy) this.#arrival ??= new Arrival(qmp, await vm.openUrgent());
    await vm.run(qmp);
  }

  /** After a restart of the agent: runs the VM, which may wait for a page and answer late. */
  async runOn(): Promise<void> {
    const qmp = await this.#vm.open();
    if (qmp === undefined) return;
    this.#arrival ??= new Arrival(qmp, await this.#vm.openUrgent());
    await this.#vm.run(qmp);
  }

  /** Waits at another port for what is missing in post-copy. @returns the port */
  async recover({ migration }: OrderBody<'recover'>): Promise<number> {
    this.#vm.moveOf(migration);
    if (this.#arrival === undefined)
      throw refused('QEMU does not wait for memory here, so there is nothing to receive again');
    const port = await this.#arrival.recover(this.#vm.context.config.qemu.mptcp, (port) => this.#fence([port]));
    this.#vm.log.info({ migration, port }, 'missing memory is awaited at another port');
    return port;
  }

  /** Ends a VM that will never be whole. */
  async end({ migration }: OrderBody<'end'>): Promise<void> {
    this.#vm.moveOf(migration);
    this.#vm.log.warn({ migration }, 'the VM is ended: its memory will never be whole here');
    await this.#vm.end();
  }

  /** Ends the move: the guest takes back its old address, the stretched LANs go. */
  async settle({ migration }: OrderBody<'settle'>): Promise<void> {
    const vm = this.#vm;
    const { move, arrivedBy, nic } = vm.record;
    if (move === undefined && arrivedBy === migration) return;
    const { peer, landing } = vm.moveOf(migration);
    // The source must not wait because a VM has died here.
    if (await isAlive(vm.record.qemu)) await retractAllBut(vm.files.guest, macAddress(vm.record.vm, nic));
    await forgetCounts(vm.monitor, vm.context.config.site, peer, landing.token);
    await clearRules(vm.record.vm);
    await relax(vm.record.vm);
    this.close();
    this.#arrival = undefined;
    await vm.save({ move: undefined });
  }

  /** The state of a VM that arrives by post-copy; undefined: it does not. */
  async state(): Promise<Pick<InstanceStatus, 'state' | 'postCopy'> | undefined> {
    const { ownership, qemu, move } = this.#vm.record;
    const isArriving = ownership === 'home' && move?.role === 'destination' && move.landing.postCopy;
    if (!(this.#arrival || isArriving) || !(await isAlive(qemu))) return undefined;
    return this.#arrival?.status() ?? { state: 'running', postCopy: 'under-way' };
  }

  readonly #fence = (ports: readonly number[]): Promise<void> => {
    const { vm, move } = this.#vm.record;
    return fence(vm, move!.landing.endpoints, ports);
  };

  /** Closes the second monitor; QEMU runs on. */
  close(): void {
    this.#arrival?.close();
  }
}
