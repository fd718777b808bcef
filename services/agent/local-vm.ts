/**
 * One VM at one site, as both roles in a move share it: its record, its files, and the monitor of its QEMU. Each order is
 * written down before it has consequences.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Log } from '#shared/log.ts';
import { lastWords, type QemuFiles, qemuFiles } from './command-line.ts';
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
  /** The folder with the certificates that QEMUs show each other; undefined: no encryption. */
  readonly certificates: string | undefined;
  readonly log: Log;
}

/** Changes to a record; a member that is undefined is removed. */
export type RecordChanges = { [K in keyof InstanceRecord]?: InstanceRecord[K] | undefined };

/** An order that does not fit the state of the VM. */
export function refused(reason: string): TagalongError {
  return new TagalongError('ORDER_REFUSED', reason);
}

const GUEST_MS = 60_000;
/** QEMU's event of a resumed VM is waited for that often, a millisecond each. */
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

  /** The monitor where one was opened; it may be closed by now. */
  get monitor(): Qmp | undefined {
    return this.#qmp;
  }

  /** Opens the monitor; undefined where QEMU is gone. */
  async open(): Promise<Qmp | undefined> {
    if (this.#qmp?.isOpen) return this.#qmp;
    this.#qmp = await openQmpOf(this.#record.qemu, this.files.monitor);
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

  /** Why QEMU ended: QEMU_GONE with the last line of its log. */
  async whyGone(): Promise<TagalongError> {
    return new TagalongError('QEMU_GONE', `${this.#record.vm}: its QEMU ended: ${await lastWords(this.files)}`);
  }

  /** The part that this site has in that migration. @throws TagalongError ORDER_REFUSED */
  moveOf(migration: string): MoveRecord {
    const { move } = this.#record;
    if (move?.migration === migration) return move;
    throw refused(`${this.#record.vm} does not take part in ${migration} here`);
  }

  /** Changes the record. Resolves when that is on the disk. */
  async save(changes: RecordChanges): Promise<void> {
    // JSON leaves out members that are undefined.
    this.#record = { ...this.#record, ...changes } as InstanceRecord;
    await this.context.records.save(this.#record);
  }

  /** Writes down that a part of the present move is done. */
  async done(step: MoveRecord['done'][number], more: Partial<Pick<MoveRecord, 'unjoined'>> = {}): Promise<void> {
    const move = this.#record.move!;
    if (!move.done.includes(step)) await this.save({ move: { ...move, ...more, done: [...move.done, step] } });
  }

  /** Notes when the VM stopped or was resumed, on this host's clock; the next `save` writes it down. */
  stamp(times: Pick<InstanceRecord, 'stoppedAtMs' | 'resumedAtMs'>): void {
    this.#record = { ...this.#record, ...times };
  }

  /** Resumes the VM, and writes down when. */
  async run(qmp: Qmp): Promise<void> {
    if (await isRunning(qmp)) return;
    await qmp.execute('cont');
    for (let i = 0; this.#record.resumedAtMs === undefined && i < RESUME_POLLS; i++) await sleep(1);
    if (this.#record.resumedAtMs === undefined) this.stamp({ resumedAtMs: Date.now() });
    await this.save({});
  }

  /**
   * The guest takes an address on one of its cards, and its clients join it.
   * @param joinMs how long clients have for that
   */
  async announce(nic: 0 | 1, joinMs: number): Promise<void> {
    const { move, vm } = this.#record;
    const { lan } = move!.landing;
    await takeAddress(this.files.guest, macAddress(vm, nic), lan);
    const unjoined = await untilJoined(this.files.guest, lan.address, joinMs, this.isAbandoned);
    await this.done('announce', { unjoined });
  }

  /** Gives a VM that has just started its address, as soon as the helper in it answers. */
  async settleIn(): Promise<void> {
    const { vm, nic, lan } = this.#record;
    const isNew = () => !this.#isClosed && this.#record.ownership === 'home' && this.#record.arrivedBy === undefined;
    await untilTaken(this.files.guest, macAddress(vm, nic), lan, async () => isNew() && isAlive(this.#record.qemu));
  }

  /** Passes words to the helper in the guest. @returns its answer */
  guest(words: readonly string[]): Promise<string> {
    return askGuest(this.files.guest, words, GUEST_MS);
  }

  /** True: the move was given up, nothing is to be waited for any more. */
  readonly isAbandoned = (): boolean => this.#isAbandoned;

  /** Ends all waiting for clients, for the guest and for other sites. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  /** A new move begins: waiting makes sense again. */
  unabandon(): void {
    this.#isAbandoned = false;
  }

  /** Ends QEMU and waits until it is gone. */
  end(): Promise<void> {
    return end(this.#record.qemu);
  }

  /** Closes the monitor; QEMU runs on. */
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
