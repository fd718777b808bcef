/** One VM at one site: its roles in moves, and its adoption after a crash, abort and removal. */
import { TagalongError } from '#shared/errors.ts';
import type { InstanceStatus, OrderBody } from '#shared/hypervisor/qemu/protocol.ts';
import { DestinationRole } from './destination-role.ts';
import { askGuest } from './guest.ts';
import type { InstanceRecord } from './instance-record.ts';
import { keepDisk } from './kept.ts';
import { relax, unplug } from './lan.ts';
import { type AgentContext, LocalVm, refused } from './local-vm.ts';
import { clearRules } from './packet-rules.ts';
import { isAlive } from './process.ts';
import { runOnAtSource, stateOf } from './runstate.ts';
import { SourceRole } from './source-role.ts';

/** Owns one VM's record, QEMU and roles. */
export class Instance {
  /** The source role, while the VM leaves. */
  readonly source: SourceRole;
  /** The destination role, while the VM arrives. */
  readonly destination: DestinationRole;
  readonly #vm: LocalVm;

  constructor(context: AgentContext, record: InstanceRecord) {
    this.#vm = new LocalVm(context, record);
    this.source = new SourceRole(this.#vm);
    this.destination = new DestinationRole(this.#vm);
  }

  get record(): InstanceRecord {
    return this.#vm.record;
  }

  /** Opens the monitor, and continues the work of a crashed agent. @returns false if QEMU is gone */
  async adopt(): Promise<boolean> {
    const { ownership, move, qemu } = this.record;
    if (ownership === 'home' && move?.role === 'destination' && move.landing.postCopy) {
      // QEMU may wait for a page, and answers no command until it has it.
      void this.destination
        .runOn()
        .catch((err) => this.#vm.log.error({ err }, 'the state of its QEMU cannot be queried'));
      return isAlive(qemu);
    }
    const qmp = await this.#vm.open();
    if (qmp === undefined) return false;
    if (ownership === 'handed-over' && move?.postCopy) await this.source.rejoin(qmp, move);
    if (ownership === 'home') {
      // The record says `home`, but the agent crashed before it resumed the VM.
      if (move?.role === 'destination') await this.#vm.run(qmp);
      if (move?.role === 'source') await this.source.rejoin(qmp, move);
    }
    void this.#vm.settleIn();
    return true;
  }

  /** Limits what its QEMU may use of this host. @param more further processes of this VM */
  limit(...more: number[]): Promise<void> {
    return this.#vm.limit(...more);
  }

  /** Makes the TagalongError QEMU_GONE, with the reason why its QEMU ended. */
  whyGone(): Promise<TagalongError> {
    return this.#vm.whyGone();
  }

  /** Sends a request to the helper in the guest. @returns its answer */
  guest(words: readonly string[]): Promise<string> {
    return this.#vm.guest(words);
  }

  /** Its present state. */
  async status(): Promise<InstanceStatus> {
    const { vm, machine, nic, lan, move, arrivedBy, stoppedAtMs, resumedAtMs, sent } = this.record;
    return {
      vm,
      machine,
      nic,
      lan,
      ...(await this.#state()),
      done: move?.done ?? [],
      ...(move && { migration: move.migration, role: move.role, unjoined: move.unjoined }),
      ...(move?.role === 'destination' && { token: move.landing.token }),
      ...(arrivedBy !== undefined && { arrivedBy }),
      ...(await this.source.status().catch(() => ({}))),
      ...(stoppedAtMs !== undefined && { stoppedAtMs }),
      ...(resumedAtMs !== undefined && { resumedAtMs }),
      ...sent,
    };
  }

  /** In either role: the guest takes an address on its other card, and its clients join it. */
  async announce({ migration, joinMs, later }: OrderBody<'announce'>): Promise<void> {
    const move = this.#vm.moveOf(migration);
    if (move.done.includes('announce')) return;
    if (later) return this.#vm.done('announce');
    const { nic } = this.record;
    await this.#vm.announce(move.role === 'source' ? otherCard(nic) : nic, joinMs);
  }

  /** Undoes a move: the VM continues to run here. @param order.voided the destination has discarded its receiver for good */
  async abort({ migration, voided }: OrderBody<'abort'>): Promise<void> {
    const { move, ownership, vm } = this.record;
    if (move === undefined || move.migration !== migration) return;
    if ((await this.#state()).postCopy === 'under-way' && move.role === 'destination') {
      throw refused('not all of the memory of the VM has arrived; wait for the end of post-copy');
    }
    if (ownership === 'handed-over' && !voided)
      throw new TagalongError(
        'PAST_CANCEL',
        'the VM has been handed over to the destination, so the move can only go forward',
      );
    this.source.close();
    const { state: copy, sentBytes } = this.source.copied ?? {};
    this.#vm.log.info({ migration, before: ownership, after: 'home', copy, sentBytes }, 'the move is undone');
    // The record says `home` before the VM runs: after a crash in between, the next agent resumes the VM.
    await this.#vm.save({ ownership: 'home', sent: undefined });
    const qmp = this.#vm.monitor;
    if (qmp?.isOpen) {
      await this.source.cancelMirror();
      // A QEMU that cannot run the VM again must end, so that the VM can start from its disk.
      if (!(await runOnAtSource(qmp, vm))) await this.#vm.end();
    }
    this.source.forget();
    await clearRules(vm);
    // Sent even without `announce` on record: an agent may have crashed before it recorded that step.
    await askGuest(this.#vm.files.guest, ['retract', move.landing.lan.address]).catch(() => {});
    await relax(vm);
    await this.#vm.save({ move: undefined, stoppedAtMs: undefined });
  }

  /** Abandons the move: ends all waits for clients, the guest and other sites. */
  abandon(): void {
    this.#vm.abandon();
  }

  /** Ends QEMU, and deletes the VM's record and disk. */
  async remove(): Promise<void> {
    await this.#end();
    await this.#vm.context.records.delete(this.record.vm);
  }

  /** Once the VM runs at another site: ends QEMU and deletes the record, but keeps the disk for a return. */
  async release(): Promise<void> {
    const { config, records } = this.#vm.context;
    await this.#end();
    const keeping = keepDisk(this.#vm.files, this.record, config);
    const kept = await keeping.catch((err) => void this.#vm.log.warn({ err }, 'its disk could not be kept'));
    await records.delete(this.record.vm, kept ?? []);
  }

  /** Closes the monitors; QEMU runs on. */
  close(): void {
    this.source.close();
    this.destination.close();
    this.#vm.close();
  }

  async #end(): Promise<void> {
    this.close();
    this.#vm.abandon();
    await this.#vm.end();
    await unplug(this.record.vm);
  }

  async #state(): Promise<Pick<InstanceStatus, 'state' | 'postCopy'>> {
    const { ownership, qemu, move } = this.record;
    if (ownership === 'handed-over' && move?.postCopy) {
      return { state: 'handed-over', postCopy: this.source.postCopy(await isAlive(qemu)) };
    }
    const arriving = await this.destination.state();
    return arriving ?? { state: await stateOf(this.record, this.#vm.monitor) };
  }
}

function otherCard(nic: 0 | 1): 0 | 1 {
  return nic === 0 ? 1 : 0;
}
