/**
 * The part of a VM at a site that both roles in a move share: its record, its files, and the monitor of its QEMU. The record of
 * each order is written before the order takes effect.
 */
import { getPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Log } from '#shared/log.ts';
import { lastWords, type QemuFiles, qemuFiles } from './command-line.ts';
import { closeFolder } from './confinement.ts';
import { type ControlGroups, limitsOf } from './control-groups.ts';
import type { Certificates } from './encryption.ts';
import { askGuest, takeAddress, untilJoined, untilTaken } from './guest.ts';
import type { InstanceRecord, MoveRecord } from './instance-record.ts';
import { macAddress } from './names.ts';
import { end, isAlive } from './process.ts';
import { isRunning, openQmp, openQmpOf, type Qmp } from './qmp.ts';
import type { Records } from './record.ts';

/** The context that all VMs of an agent share. */
export interface AgentContext {
  readonly config: AgentConfig;
  readonly records: Records;
  /** The groups that QEMU needs to open its devices. */
  readonly groups: readonly number[];
  readonly controlGroups: ControlGroups;
  readonly log: Log;
}

/** Changes to a record; a member that is undefined is removed. */
export type RecordChanges = { [K in keyof InstanceRecord]?: InstanceRecord[K] | undefined };

/** An order that does not fit the state of the VM. */
export function refused(reason: string): TagalongError {
  return new TagalongError('ORDER_REFUSED', reason);
}

const GUEST_MS = 60_000;
/** The number of polls, one millisecond apart, for QEMU's event that the VM has resumed. */
const RESUME_POLLS = 100;

/** Owns the record of one VM and the connection to its QEMU. */
export class LocalVm {
  readonly context: AgentContext;
  readonly files: QemuFiles;
  /** With the name of the VM. */
  readonly log: Log;
  #record: InstanceRecord;
  #qmp: Qmp | undefined;
  #isAbandoned = false;
  #isClosed = false;

  constructor(context: AgentContext, record: InstanceRecord) {
    this.context = context;
    this.#record = record;
    this.files = qemuFiles(context.records.folder(record.vm));
    this.log = context.log.child({ vm: record.vm });
  }

  get record(): InstanceRecord {
    return this.#record;
  }

  /** The monitor, if one was opened; it may be closed. */
  get monitor(): Qmp | undefined {
    return this.#qmp;
  }

  /** Opens the monitor; undefined where QEMU is gone. */
  async open(): Promise<Qmp | undefined> {
    if (this.#qmp?.isOpen) return this.#qmp;
    this.#qmp = await openQmpOf(this.#record.qemu, this.files.monitor);
    // Its sockets are there.
    await closeFolder(this.files.folder);
    this.#qmp?.onEvent(({ event, atMs }) => this.#onQemuEvent(event, atMs));
    return this.#qmp;
  }

  /** The open monitor. @throws TagalongError QEMU_GONE */
  live(): Qmp {
    if (this.#qmp?.isOpen) return this.#qmp;
    throw new TagalongError('QEMU_GONE', `${this.#record.vm}: QEMU has ended; read ${this.files.log} for the reason`);
  }

  /** A second monitor that takes commands also while QEMU waits for a page. The caller closes it. */
  openUrgent(): Promise<Qmp> {
    return openQmp(this.files.urgent, true);
  }

  /** The certificates for connections of this VM's QEMU; undefined: no encryption. */
  get certificates(): Certificates | undefined {
    const { qemu, tls } = this.context.config;
    return qemu.encrypt ? { tls, folder: this.files.folder } : undefined;
  }

  /** Why QEMU ended: QEMU_GONE with the last line of its log. */
  async whyGone(): Promise<TagalongError> {
    return new TagalongError('QEMU_GONE', `${this.#record.vm}: QEMU has ended: ${await lastWords(this.files)}`);
  }

  /** This site's part in a migration. @throws TagalongError ORDER_REFUSED */
  moveOf(migration: string): MoveRecord {
    const { move } = this.#record;
    if (move?.migration === migration) return move;
    throw refused(`${this.#record.vm} does not take part in ${migration} here`);
  }

  /** Changes the record; resolves when it is synced to the disk. */
  async save(changes: RecordChanges): Promise<void> {
    // JSON leaves out members that are undefined.
    this.#record = { ...this.#record, ...changes } as InstanceRecord;
    await this.context.records.save(this.#record);
  }

  /** Records that a step of the present move is done. */
  async done(step: MoveRecord['done'][number], more: Partial<Pick<MoveRecord, 'unjoined'>> = {}): Promise<void> {
    const move = this.#record.move!;
    if (!move.done.includes(step)) await this.save({ move: { ...move, ...more, done: [...move.done, step] } });
  }

  /** Sets when the VM stopped or resumed, by this host's clock; the next `save` persists it. */
  stamp(times: Pick<InstanceRecord, 'stoppedAtMs' | 'resumedAtMs'>): void {
    this.#record = { ...this.#record, ...times };
  }

  /** Resumes the VM, and records the time. */
  async run(qmp: Qmp): Promise<void> {
    if (await isRunning(qmp)) return;
    await qmp.execute('cont');
    // Not `until`: turns are counted, because on a busy host the time is over before the event is read.
    for (let i = 0; this.#record.resumedAtMs === undefined && i < RESUME_POLLS; i++) await sleep(1);
    if (this.#record.resumedAtMs === undefined) this.stamp({ resumedAtMs: Date.now() });
    await this.save({});
  }

  /**
   * Orders the guest to take an address on one of its network cards, and waits for its clients to join it.
   * @param joinMs the longest wait for the clients
   */
  async announce(nic: 0 | 1, joinMs: number): Promise<void> {
    const { move, vm } = this.#record;
    const { lan } = move!.landing;
    await takeAddress(this.files.guest, macAddress(vm, nic), lan);
    const unjoined = await untilJoined(this.files.guest, lan.address, joinMs, this.isAbandoned);
    await this.done('announce', { unjoined });
  }

  /** Gives a VM that has just started its address, once its helper answers. */
  async settleIn(): Promise<void> {
    const { vm, nic, lan } = this.#record;
    const isNew = () => !this.#isClosed && this.#record.ownership === 'home' && this.#record.arrivedBy === undefined;
    await untilTaken(this.files.guest, macAddress(vm, nic), lan, async () => isNew() && isAlive(this.#record.qemu));
  }

  /** Sends a request to the helper in the guest. @returns its answer */
  guest(words: readonly string[]): Promise<string> {
    return askGuest(this.files.guest, words, GUEST_MS);
  }

  /** True: the move is abandoned, and every wait has to end. */
  readonly isAbandoned = (): boolean => this.#isAbandoned;

  /** Ends all waits for clients, the guest and other sites. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** Permits waits again, because a new move begins. */
  unabandon(): void {
    this.#isAbandoned = false;
  }

  /** Limits what QEMU may use of this host. A VM that cannot be limited runs on. @param more further processes of this VM */
  async limit(...more: number[]): Promise<void> {
    const { config, controlGroups } = this.context;
    const limits = limitsOf(this.#record.machine, config.qemu.accel === 'kvm' ? 'kvm' : 'tcg', getPriority());
    const pids = [this.#record.qemu.pid, ...more];
    await controlGroups
      .confine(this.files.folder, limits, pids)
      .catch((err) => this.log.warn({ err }, 'the VM runs without limits for processor, memory and tasks'));
  }

  /** Ends QEMU and waits until it is gone. */
  async end(): Promise<void> {
    await end(this.#record.qemu);
    await this.context.controlGroups.release(this.files.folder);
  }

  /** Closes the monitor; QEMU continues. */
  close(): void {
    this.#isClosed = true;
    this.#qmp?.close();
  }

  #onQemuEvent(event: string, atMs: number): void {
    const { move, ownership } = this.#record;
    if (event === 'STOP' && move?.role === 'source') this.stamp({ stoppedAtMs: atMs });
    if (event === 'RESUME' && move?.role === 'destination' && ownership === 'home') this.stamp({ resumedAtMs: atMs });
  }
}
