/**
 * A VM's source in a move: it stretches the LANs, has the guest announce its new address, copies disk and memory, stops the VM
 * and hands it over. `handed-over` is recorded first; from then on the VM never runs here again, unless the destination
 * has discarded it.
 */
import { TagalongError } from '#shared/errors.ts';
import type {
  CopyStatus,
  InstanceStatus,
  LeaveOrder,
  OrderBody,
  ReceiverInfo,
} from '#shared/hypervisor/qemu/protocol.ts';
import type { Log } from '#shared/log.ts';
import { DiskCopy } from './disk.ts';
import { credentials } from './encryption.ts';
import type { InstanceRecord, MoveRecord } from './instance-record.ts';
import { stretch } from './lan.ts';
import { type LocalVm, refused } from './local-vm.ts';
import { MemoryCopy } from './memory.ts';
import type { Tls } from './migration-settings.ts';
import { mirror } from './packet-rules.ts';
import { beginPostCopy, reconnect, stopForPostCopy } from './post-copy.ts';
import { isAlive } from './process.ts';
import type { Qmp } from './qmp.ts';
import { isSending } from './query-migrate.ts';
import { reachable } from './reach.ts';
import { SubflowWatch } from './subflows.ts';
import { sendRest, stopAtSource } from './switch-over.ts';

/** The stall time-out of a disk copy that an earlier agent began: its order is not on record. */
const STALL_MS = 60_000;

/** Owns the copies of one VM that are in progress, and their figures. */
export class SourceRole {
  readonly #vm: LocalVm;
  #memory: MemoryCopy | undefined;
  #disk: DiskCopy | undefined;
  #subflows: SubflowWatch | undefined;

  constructor(vm: LocalVm) {
    this.#vm = vm;
  }

  #diskLog(migration: string): Log {
    return this.#vm.log.child({ migration });
  }

  /** Resumes watching the copies that an earlier agent began. */
  async rejoin(qmp: Qmp, move: MoveRecord): Promise<void> {
    this.#watchSubflows(move);
    const { spec } = this.#vm.record.machine;
    if (spec.diskBytes > 0 && move.done.includes('announce')) {
      this.#disk = new DiskCopy(qmp, move.copy?.stallMs ?? STALL_MS, this.#diskLog(move.migration));
      await this.#disk.resume();
    }
    if (move.copy && (await isSending(qmp))) {
      this.#memory = new MemoryCopy(qmp, move.copy, spec.downtimeLimitMs, move.landing.postCopy, this.#vm.log);
      await this.#memory.begin(this.#vm.context.config.qemu, move.landing, await this.#tls(move));
    }
  }

  /** Prepares the departure of the VM: stretches the LANs to the destination. */
  async leave({ migration, to, landing }: LeaveOrder): Promise<void> {
    const { move, ownership } = this.#vm.record;
    if (move?.migration === migration && move.landing.token === landing.token && move.done.includes('leave')) return;
    if (ownership !== 'home')
      throw refused('the VM does not belong to this site; order its move at the site where it runs');
    if (move && move.migration !== migration)
      throw refused(`the VM is already in the move ${move.migration}; wait until that ends, or cancel it`);
    const { endpoints, qemu, lan } = this.#vm.context.config;
    if (landing.compression !== qemu.compression) {
      const both = `qemu.compression is ${qemu.compression} here and ${landing.compression} at ${to}`;
      throw refused(`${both}; set both to the same value`);
    }
    const [first] = landing.endpoints;
    const local = endpoints.find(({ provider }) => provider === first!.provider)?.address;
    if (local === undefined) throw refused(`this site has no uplink of ${first!.provider}; add it to endpoints`);
    const next: MoveRecord = {
      ...{ migration, role: 'source', peer: to, landing, stretch: { local, remote: first!.address } },
      ...{ done: [], unjoined: 0 },
    };
    this.#vm.unabandon();
    await this.#vm.save({ move: next });
    await stretch(lan, this.#vm.record, next);
    await this.#vm.done('leave');
    this.forget();
    this.#watchSubflows(next);
  }

  /** Copies the disk, where the machine has one. */
  async mirror({ migration, stallMs }: OrderBody<'mirror'>): Promise<void> {
    const move = this.#vm.moveOf(migration);
    if (this.#vm.record.machine.spec.diskBytes === 0) return this.#vm.done('disk');
    const { qemu } = this.#vm.context.config;
    let { landing } = move;
    // A copy that is under way is only watched.
    if (this.#disk === undefined || (await this.#disk.status()).state === 'failed') {
      landing = await this.#reach(move, stallMs);
      this.#disk = new DiskCopy(this.#vm.live(), stallMs, this.#diskLog(migration));
    }
    await this.#disk.begin({ ...move, landing }, qemu.mptcp, await this.#tls(move), this.#vm.files);
    if ((await this.#disk.status()).state === 'ready') await this.#vm.done('disk');
  }

  /** Copies the memory until the rest can be sent within the downtime limit. A repeated order only checks the progress. */
  async copy(order: OrderBody<'copy'>): Promise<void> {
    const move = this.#vm.moveOf(order.migration);
    if (this.#memory && this.#memory.status.state !== 'failed') {
      if (this.#memory.status.state !== 'copying') await this.#vm.done('memory');
      return;
    }
    this.#memory?.stop();
    const qmp = this.#vm.live();
    const receiver = await this.#reach(move, order.stallMs);
    await this.#vm.save({ move: { ...move, copy: order } });
    const { downtimeLimitMs } = this.#vm.record.machine.spec;
    this.#memory = new MemoryCopy(qmp, order, downtimeLimitMs, receiver.postCopy, this.#vm.log);
    await this.#memory.begin(this.#vm.context.config.qemu, receiver, await this.#tls(move));
  }

  /** Stops the VM; where the destination has no disk to close first, the rest is sent at once. */
  async stop({ migration, maxPauseMs, force, handOver }: OrderBody<'stop'>): Promise<void> {
    const { downtimeLimitMs } = this.#vm.record.machine.spec;
    await this.#stop(migration, force ? maxPauseMs : downtimeLimitMs, force);
    // An order of its own would cost a round trip while the VM stands still.
    if (handOver) await this.handOver({ migration });
  }

  async #stop(migration: string, limitMs: number, force: boolean): Promise<void> {
    const move = this.#vm.moveOf(migration);
    const { ownership, qemu } = this.#vm.record;
    // A QEMU that is gone stands still as well.
    if (ownership === 'handed-over' || !(await isAlive(qemu))) return;
    await mirror(this.#vm.record, 'source');
    if (!(await this.#stopForPreCopy(move, limitMs, force))) {
      this.#vm.log.info({ migration, ...this.#copying().status }, 'the VM is stopped for post-copy');
      await this.#vm.save({ move: { ...move, postCopy: true } });
      await stopForPostCopy(this.#vm.live(), this.#copying(), this.#vm.isAbandoned);
    }
    if (this.#vm.record.stoppedAtMs === undefined) this.#vm.stamp({ stoppedAtMs: Date.now() });
    await this.#disk?.complete();
  }

  /** Sends the rest. Once `handed-over` is on record, the VM never runs here, unless the destination gives it back. */
  async handOver({ migration }: OrderBody<'handOver'>): Promise<void> {
    const { postCopy } = this.#vm.moveOf(migration);
    const { ownership, qemu } = this.#vm.record;
    if (postCopy) {
      const copy = this.#copying();
      // Recorded before QEMU sends the data with which the destination can run the VM.
      await this.#vm.save({ ownership: 'handed-over' });
      this.#logHandOver(migration, ownership);
      return beginPostCopy(this.#vm.live(), copy, this.#vm.isAbandoned);
    }
    if (ownership === 'handed-over') return;
    if (await isAlive(qemu)) await sendRest(this.#vm.live(), this.#copying(), this.#vm.isAbandoned);
    // A dead QEMU cannot run the VM either. The destination knows whether all data arrived.
    await this.#subflows?.look().catch(() => {});
    await this.#vm.save({ ownership: 'handed-over', sent: await this.#sent() });
    this.#logHandOver(migration, ownership);
  }

  /** Sends what is missing in post-copy over another connection. */
  async reconnect({ migration, port, stallMs }: OrderBody<'reconnect'>): Promise<void> {
    const { endpoints } = await this.#reach(this.#vm.moveOf(migration), stallMs);
    this.#vm.log.info({ migration, to: endpoints[0]!.address, port }, 'post-copy goes on over another connection');
    this.#subflows?.follow(port);
    await reconnect(this.#vm.live(), endpoints, port, this.#vm.context.config.qemu.mptcp);
  }

  /** Time and bytes of the copies so far. */
  async status(): Promise<NonNullable<InstanceRecord['sent']>> {
    if (this.#memory || this.#disk) await this.#subflows?.look().catch(() => {});
    return this.#sent();
  }

  /** The last known progress of the memory copy; sends no query to QEMU. */
  get copied(): CopyStatus | undefined {
    return this.#memory?.status;
  }

  /** Reports the memory that post-copy still has to send, as far as it is known here. @param lives whether this QEMU lives */
  postCopy(lives: boolean): NonNullable<InstanceStatus['postCopy']> {
    const state = this.#memory?.status.state;
    if (state === 'sent') return 'whole';
    if (!lives || state === 'failed') return 'lost';
    return this.#memory?.isBroken ? 'broken' : 'under-way';
  }

  /** Ends the copy of the disk as it is. */
  async cancelMirror(): Promise<void> {
    await this.#disk?.cancel();
  }

  /** Stops watching; QEMU goes on. */
  close(): void {
    this.#memory?.stop();
  }

  /** Drops the copies after the end or the abort of a move. */
  forget(): void {
    this.close();
    this.#memory = undefined;
    this.#disk = undefined;
    this.#subflows = undefined;
  }

  /** Stops the VM for the last copy. @returns false: the rest stays too large, and post-copy follows */
  async #stopForPreCopy(move: MoveRecord, limitMs: number, force: boolean): Promise<boolean> {
    const copy = this.#copying();
    if (move.postCopy || copy.status.state === 'post-copy') return false;
    const { migration } = move;
    this.#vm.log.info({ migration, force, limitMs, ...copy.status }, 'the VM is stopped for the last copy');
    try {
      await stopAtSource(this.#vm.live(), copy, limitMs, this.#vm.isAbandoned);
      return true;
    } catch (error) {
      if (move.landing.postCopy && error instanceof TagalongError && error.code === 'NOT_CONVERGING') return false;
      throw error;
    }
  }

  #logHandOver(migration: string, before: InstanceRecord['ownership']): void {
    const { sentBytes, remainingBytes } = this.#memory?.status ?? {};
    const { stoppedAtMs } = this.#vm.record;
    const stoppedMs = stoppedAtMs === undefined ? undefined : Math.round(Date.now() - stoppedAtMs);
    const figures = { migration, before, after: 'handed-over', sentBytes, remainingBytes, stoppedMs };
    this.#vm.log.info(figures, 'the VM is handed over');
  }

  #copying(): MemoryCopy {
    if (this.#memory === undefined) throw refused('the memory of the VM is not being copied; order the copy first');
    return this.#memory;
  }

  async #sent(): Promise<NonNullable<InstanceRecord['sent']>> {
    const qemuDowntimeMs = this.#memory?.downtimeMs;
    return {
      ...(this.#memory && { copy: this.#memory.status }),
      ...(this.#disk && { disk: await this.#disk.status() }),
      ...(this.#subflows && { carriage: this.#subflows.stats }),
      ...(qemuDowntimeMs !== undefined && { qemuDowntimeMs }),
    };
  }

  /** The receiver, with the addresses first that answer now. */
  async #reach({ landing }: MoveRecord, stallMs: number): Promise<ReceiverInfo> {
    const { endpoints, answerPort } = landing;
    return { ...landing, endpoints: await reachable(endpoints, answerPort, stallMs, this.#vm.isAbandoned) };
  }

  /** The certificates for a connection to the receiving QEMU. */
  async #tls({ peer }: MoveRecord): Promise<Tls> {
    return { creds: await credentials(this.#vm.live(), this.#vm.certificates, 'client'), peer };
  }

  #watchSubflows({ landing: { memoryPort, diskPort } }: MoveRecord): void {
    this.#subflows = new SubflowWatch([memoryPort, diskPort], this.#vm.context.config.endpoints);
  }
}
