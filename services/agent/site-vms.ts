/** The VMs of one site: starts, receives and removes them. Each VM has at most one QEMU. */
import { randomBytes } from 'node:crypto';
import { TagalongError } from '#shared/errors.ts';
import type { LanAddress, OrderBody, ReceiveOrder, ReceiverInfo } from '#shared/hypervisor/qemu/protocol.ts';
import { freeAddress } from './addresses.ts';
import { openBoundedLog } from './bounded-log.ts';
import { clearSockets, commandLine, imageOf, inheritedOf, qemuFiles, tapsOf } from './command-line.ts';
import { asUser, giveFile, openFolder, withTaps } from './confinement.ts';
import { Instance } from './instance.ts';
import type { InstanceRecord, MoveRecord } from './instance-record.ts';
import { takeKeptDisk } from './kept.ts';
import { plug, stretch } from './lan.ts';
import { createDisk, exists, topLayer } from './layers.ts';
import type { AgentContext } from './local-vm.ts';
import { freePort } from './ports.ts';
import { isAlive, startDetached } from './process.ts';
import { reachable } from './reach.ts';

/** Owns the instances of one site. Orders to one VM have to come one after the other. */
export class SiteVms {
  readonly #context: AgentContext;
  /** The port at which other sites test that they reach this agent. */
  readonly #answerPort: number;
  readonly #instances = new Map<string, Instance>();

  constructor(context: AgentContext, answerPort: number) {
    this.#context = context;
    this.#answerPort = answerPort;
  }

  /** All VMs that have a record here. */
  all(): Instance[] {
    return [...this.#instances.values()];
  }

  /** The VM, where it has a record here. */
  find(vm: string): Instance | undefined {
    return this.#instances.get(vm);
  }

  /** The VM. @throws TagalongError NO_SUCH_VM */
  get(vm: string): Instance {
    const instance = this.#instances.get(vm);
    if (instance) return instance;
    throw new TagalongError(
      'NO_SUCH_VM',
      `there is no VM ${vm} at ${this.#context.config.site}; "tagalong status" lists where each runs`,
    );
  }

  /** Adopts a VM that an earlier agent started. */
  async adopt(record: InstanceRecord): Promise<void> {
    const instance = new Instance(this.#context, record);
    this.#instances.set(record.vm, instance);
    // Again, because an earlier agent may have known no limits, and systemd may have taken them away with that agent.
    if (await isAlive(record.qemu)) await instance.limit();
    await instance.adopt();
  }

  /** Starts a VM from nothing, or from its disk where its QEMU has died here. @throws TagalongError VM_ELSEWHERE */
  async start(vm: string, { machine }: OrderBody<'start'>): Promise<void> {
    const present = this.find(vm);
    if (present) {
      const { state } = await present.status();
      if (present.record.ownership !== 'home')
        throw new TagalongError('VM_ELSEWHERE', `${vm} belongs to another site; start it there`);
      // No other site has it: a dead one is started again from its disk.
      if (state !== 'dead') return;
      present.close();
    } else {
      // A disk that lies here without a record is not the VM's disk now.
      await this.#context.records.delete(vm);
    }
    const lan = present?.record.lan ?? this.#freeAddress(vm);
    const instance = await this.#launch({ vm, machine, nic: 0, lan, ownership: 'home' }, false);
    if (!(await instance.adopt())) throw await instance.whyGone();
    this.#context.log.info({ vm }, 'VM started');
  }

  /**
   * Prepares to receive a VM: a new QEMU waits for it, the LANs are stretched. The files of an earlier move are removed first.
   * @throws TagalongError VM_ELSEWHERE, ORDER_REFUSED, STALLED, QEMU_GONE
   */
  async receive(vm: string, order: ReceiveOrder): Promise<ReceiverInfo> {
    const { migration, from, machine, nic, postCopy } = order;
    const { compression } = this.#context.config.qemu;
    const present = this.find(vm);
    if (present) {
      const { move, ownership } = present.record;
      // A receiver that does not wait yet, because an agent crashed, is made anew with a token of its own.
      if (ownership === 'incoming' && move?.migration === migration && (await present.destination.isListening())) {
        return move.landing;
      }
      if (ownership === 'home') throw new TagalongError('VM_ELSEWHERE', `${vm} already belongs to this site`);
      await this.#removeLeft(present);
    }
    if (postCopy && compression !== 'none') {
      const both = `hypervisor.postCopy and qemu.compression ${compression} at ${this.#context.config.site} exclude each other`;
      throw new TagalongError('ORDER_REFUSED', `${both}; choose one of them`);
    }
    const { endpoints, remote } = await this.#meet(order);
    const lan = this.#freeAddress(vm);
    const token = randomBytes(9).toString('base64url').replace(/^[_-]/, 'x');
    // QEMU picks the port for memory when it begins to listen. The disk may get another one; a VM without a disk needs none.
    const ports = { memoryPort: 0, diskPort: await freePort(), answerPort: this.#answerPort };
    const kept = await takeKeptDisk(qemuFiles(this.#context.records.folder(vm)), machine.spec.diskBytes);
    const landing: ReceiverInfo = {
      ...{ token, endpoints, ...ports, lan, postCopy, compression },
      ...(kept !== undefined && { kept }),
    };
    const move: MoveRecord = {
      ...{ migration, role: 'destination', peer: from, landing, done: [], unjoined: 0 },
      stretch: { remote, local: endpoints[0]!.address },
    };
    const instance = await this.#launch({ vm, machine, nic, lan, ownership: 'incoming', move }, true);
    try {
      await stretch(this.#context.config.lan, { vm, nic, lan }, move);
      return await instance.destination.listen();
    } catch (error) {
      this.#instances.delete(vm);
      await instance.remove();
      throw error;
    }
  }

  /** Removes a VM with its record and all its files. */
  async remove(vm: string): Promise<void> {
    await this.find(vm)?.remove();
    this.#instances.delete(vm);
    // Also the disk that is kept of a VM that is elsewhere.
    await this.#context.records.delete(vm);
  }

  /**
   * Removes what is left of a move: at the destination (`incoming`) before it switched over, or at the source
   * (`handed-over`) once it has.
   * @throws TagalongError PAST_CANCEL where the VM has been resumed here, ORDER_REFUSED where this site has the other role
   */
  async giveUp(vm: string, migration: string, ownership: 'incoming' | 'handed-over'): Promise<void> {
    const present = this.find(vm);
    if (present === undefined) return;
    const { record } = present;
    if (record.ownership === 'home' && record.arrivedBy === migration) {
      throw new TagalongError('PAST_CANCEL', `${vm} already runs here, so the move can only go forward`);
    }
    // It may have come back, or be awaited, by a later move.
    if (record.move?.migration !== migration) return;
    if (record.ownership !== ownership)
      throw new TagalongError(
        'ORDER_REFUSED',
        `this site has the other part in the move of ${vm} (${record.ownership}); send the order to the other site`,
      );
    const what = ownership === 'incoming' ? 'the receiver is discarded' : 'the source is released';
    this.#context.log.info({ vm, migration, before: ownership }, what);
    await this.#removeLeft(present);
  }

  async #removeLeft(present: Instance): Promise<void> {
    await (present.record.ownership === 'handed-over' ? present.release() : present.remove());
    this.#instances.delete(present.record.vm);
  }

  async #launch(base: Omit<InstanceRecord, 'qemu'>, incoming: boolean): Promise<Instance> {
    const { vm, machine } = base;
    const { config, records, groups } = this.#context;
    const folder = records.folder(vm);
    const files = qemuFiles(folder);
    const image = imageOf(config.qemu.images, vm, machine);
    const { diskBytes } = machine.spec;
    // An incoming VM uses an existing disk only if the disk was kept for it.
    const present = incoming && base.move?.landing.kept === undefined ? undefined : await topLayer(files);
    // An invalid machine is refused before any file or device is created.
    const how = { incoming, disk: present ?? files.disk };
    const args = commandLine(config.qemu, { vm, machine, mtu: config.lan.mtu }, files, how);
    await openFolder(folder, vm);
    await clearSockets(files);
    if (diskBytes > 0 && present === undefined) {
      await createDisk(files, diskBytes, incoming ? undefined : image.disk);
    }
    for (const layer of [files.disk, files.overlay]) if (await exists(layer)) await giveFile(layer, folder);
    await plug(config.lan, base);
    const inherited = inheritedOf(image);
    const confined = asUser({ vm, diskBytes, groups }, { program: config.qemu.binary, args });
    const command = withTaps(tapsOf(vm, inherited), confined);
    const log = await openBoundedLog(files.log);
    const starting = startDetached(command.program, command.args, log.input, inherited);
    const qemu = await starting.finally(() => log.input.destroy());
    const record: InstanceRecord = { ...base, qemu };
    const instance = new Instance(this.#context, record);
    await instance.limit(log.pid);
    await records.save(record);
    this.#instances.set(vm, instance);
    return instance;
  }

  /** This site's addresses on the paths of a move, first the one over which the source answers; and its address there. */
  async #meet({ from, sources, answerPort, stallMs }: ReceiveOrder) {
    const { endpoints } = this.#context.config;
    const hereOn = (provider: string) => endpoints.find((endpoint) => endpoint.provider === provider);
    const common = sources.filter(({ provider }) => hereOn(provider) !== undefined);
    if (common.length === 0) {
      const providers = sources.map(({ provider }) => provider).join(', ');
      throw new TagalongError(
        'ORDER_REFUSED',
        `this site has no uplink of the providers of ${from} (${providers}); add one to endpoints`,
      );
    }
    const answering = await reachable(common, answerPort, stallMs, () => false);
    return { endpoints: answering.map(({ provider }) => hereOn(provider)!), remote: answering[0]!.address };
  }

  #freeAddress(vm: string): LanAddress {
    const { lan } = this.#context.config;
    const address = freeAddress(vm, lan, new Set(this.all().map(({ record }) => record.lan.address)));
    if (address) return address;
    throw new TagalongError(
      'ORDER_REFUSED',
      `${lan.subnet} has no free address for ${vm}; set lan.subnet to a larger one`,
    );
  }
}
