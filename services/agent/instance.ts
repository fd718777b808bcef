/**
 * One VM at one site: its record, its QEMU, and what is done to it. Each order is written down before it has
 * consequences, may be repeated, and is refused where it does not fit what is true.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import type { InstanceStatus, Landing, LeaveOrder, OrderBody } from '#shared/hypervisor/qemu/protocol.ts';
import { lastWords, type QemuFiles, qemuFiles } from './command-line.ts';
import { Departure } from './departure.ts';
import { closeDisk } from './disk.ts';
import { askGuest, retractAllBut, takeAddress, untilJoined, untilTaken } from './guest.ts';
import type { InstanceRecord, MoveRecord } from './instance-record.ts';
import { keepDisk } from './kept.ts';
import { mirror, relax, stretch, unmirror, unplug } from './lan.ts';
import type { InstanceContext, Leaving } from './leaving.ts';
import { macAddress } from './names.ts';
import { Arrival } from './post-copy.ts';
import { end, isAlive } from './process.ts';
import { isRunning, openQmp, openQmpOf, type Qmp } from './qmp.ts';
import { isListening, listen } from './receiver.ts';
import { runOnAtSource, stateOf, untilReceived } from './runstate.ts';
import { countWrites, forgetCounts } from './written.ts';

type Step = MoveRecord['done'][number];

const other = (nic: 0 | 1) => (nic === 0 ? 1 : 0);
const refused = (reason: string) => new TagalongError('ORDER_REFUSED', reason);

export class Instance {
  #record: InstanceRecord;
  readonly #context: InstanceContext;
  readonly #files: QemuFiles;
  #qmp: Qmp | undefined;
  /** Source: what is being sent. */
  readonly #departure: Departure;
  /** Destination: since it runs here, where not all of its memory may be. */
  #arrival: Arrival | undefined;
  /** Says to whoever waits that the move is given up. */
  #abandoned = false;
  #removed = false;

  constructor(context: InstanceContext, record: InstanceRecord) {
    this.#context = context;
    this.#record = record;
    this.#files = qemuFiles(context.records.folder(record.vm));
    this.#departure = new Departure(this.#leaving());
  }

  get record(): InstanceRecord {
    return this.#record;
  }

  /** Opens the monitor and goes on where a crashed agent left off. False: QEMU is no more. */
  async adopt(): Promise<boolean> {
    const { ownership, move } = this.#record;
    if (ownership === 'home' && move?.role === 'destination' && move.landing.postCopy) {
      // It may wait for a page, and answer nobody until it has it.
      void this.#runOn().catch((err) => this.#context.log.error({ err, vm: this.#record.vm }, 'it cannot be asked'));
      return isAlive(this.#record.qemu);
    }
    const qmp = await this.#open();
    if (qmp === undefined) return false;
    if (ownership === 'handed-over' && move?.postCopy) await this.#departure.rejoin(qmp, move);
    if (ownership === 'home') {
      // Written down as ours, but the crash came before it was let run.
      if (move?.role === 'destination' && !(await isRunning(qmp))) await this.#run(qmp);
      if (move?.role === 'source') await this.#departure.rejoin(qmp, move);
    }
    void this.#settleIn();
    return true;
  }

  /** Destination: makes QEMU wait for the VM. */
  async listen(landing: Landing): Promise<void> {
    const qmp = await this.#open();
    if (qmp === undefined) throw await this.whyGone();
    const { config, certificates } = this.#context;
    await listen(qmp, config.qemu, certificates, landing, this.#record.machine.spec.diskBytes > 0);
  }

  /** Destination: whether it waits for the VM, or takes it in. */
  isListening(): Promise<boolean> {
    return isListening(this.#qmp);
  }

  /** What is to be said of a QEMU that ended: the last it said itself. */
  async whyGone(): Promise<TagalongError> {
    return new TagalongError('QEMU_GONE', `${this.#record.vm}: its QEMU ended: ${await lastWords(this.#files)}`);
  }

  /** What is true of it now. */
  async status(): Promise<InstanceStatus> {
    const { vm, machine, nic, lan, move, arrivedBy, stoppedAtMs, resumedAtMs, sent } = this.#record;
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
      ...(await this.#departure.status().catch(() => ({}))),
      ...(stoppedAtMs !== undefined && { stoppedAtMs }),
      ...(resumedAtMs !== undefined && { resumedAtMs }),
      ...sent,
    };
  }

  /** Source: the far ends of the stretched LANs. */
  async leave({ migration, to, landing }: LeaveOrder): Promise<void> {
    const { move, ownership } = this.#record;
    if (move?.migration === migration && move.landing.token === landing.token && move.done.includes('leave')) return;
    if (ownership !== 'home') throw refused('it is not this site to leave from');
    if (move && move.migration !== migration) throw refused(`it takes part in ${move.migration}`);
    this.#departure.check(landing, to);
    const { endpoints } = this.#context.config;
    const [first] = landing.endpoints;
    const local = endpoints.find(({ provider }) => provider === first!.provider)?.address;
    if (local === undefined) throw refused(`${first!.provider} is no provider of this site`);
    const next: MoveRecord = {
      ...{ migration, role: 'source', peer: to, landing, stretch: { local, remote: first!.address } },
      ...{ done: [], unjoined: 0 },
    };
    this.#abandoned = false;
    await this.#save({ move: next });
    await stretch(this.#context.config.lan, this.#record, next);
    await this.#done('leave');
    this.#departure.begin();
  }

  /** The guest takes an address on its other card, and its clients join it. */
  async announce({ migration, joinMs, later }: OrderBody<'announce'>): Promise<void> {
    const move = this.#moveOf(migration);
    if (move.done.includes('announce')) return;
    if (later) return this.#done('announce');
    const { vm, nic } = this.#record;
    const { lan } = move.landing;
    const card = move.role === 'source' ? other(nic) : nic;
    await takeAddress(this.#files.guest, macAddress(vm, card), lan, 10_000);
    const unjoined = await untilJoined(this.#files.guest, lan.address, joinMs, () => this.#abandoned);
    await this.#done('announce', { unjoined });
  }

  /** Source: the disk, where the machine has one. */
  mirror(order: OrderBody<'mirror'>): Promise<void> {
    return this.#departure.mirror(order);
  }

  /** Source: the memory. */
  copy(order: OrderBody<'copy'>): Promise<void> {
    return this.#departure.copy(order);
  }

  /** Source: the VM stands still from here on; where the destination waits for nothing else, the rest is sent at once. */
  stop(order: OrderBody<'stop'>): Promise<void> {
    return this.#departure.stop(order);
  }

  /** Source: the rest is sent. Once this is written down the VM never runs on from here, unless it is given back. */
  handOver(order: OrderBody<'handOver'>): Promise<void> {
    return this.#departure.handOver(order);
  }

  /** Source: what is missing in post-copy goes on over another connection. */
  reconnect(order: OrderBody<'reconnect'>): Promise<void> {
    return this.#departure.reconnect(order);
  }

  /** Destination: what its LAN sends to the VM comes here as well from now on. */
  async expect({ migration }: OrderBody<'expect'>): Promise<void> {
    this.#moveOf(migration);
    await mirror(this.#record, 'destination');
  }

  /** Destination: the mirrored disk is let go of, as it has to be before the last of the memory comes. */
  async closeDisk({ migration }: OrderBody<'closeDisk'>): Promise<void> {
    this.#moveOf(migration);
    await closeDisk(this.#live());
  }

  /** Destination: it runs, from here on here. */
  async resume({ migration, token }: OrderBody<'resume'>): Promise<void> {
    const move = this.#moveOf(migration);
    if (move.landing.token !== token) throw refused(`the token ${token} is void`);
    const qmp = this.#live();
    if (this.#record.ownership !== 'home') {
      await untilReceived(qmp, this.#record.vm);
      await countWrites(qmp, move.peer, token, this.#record.machine.spec.diskBytes);
      // Ours, before it runs: an agent that crashes in between knows that it is to let it run.
      await this.#save({ ownership: 'home', arrivedBy: migration });
    }
    if (move.landing.postCopy) this.#arrival ??= new Arrival(qmp, await openQmp(this.#files.urgent, true));
    if (!(await isRunning(qmp))) await this.#run(qmp);
  }

  /** Destination: waits at another port for what is missing in post-copy. */
  async recover({ migration }: OrderBody<'recover'>, port: number): Promise<void> {
    this.#moveOf(migration);
    if (this.#arrival === undefined) throw refused('nothing is missing, or its QEMU cannot be asked');
    await this.#arrival.recover(port, this.#context.config.qemu.mptcp);
  }

  /** Destination: it will never be whole. */
  async end({ migration }: OrderBody<'end'>): Promise<void> {
    this.#moveOf(migration);
    await end(this.#record.qemu);
  }

  /** Destination: the old address is taken back, the stretched LANs go. */
  async settle({ migration }: OrderBody<'settle'>): Promise<void> {
    const { move, arrivedBy, vm, nic } = this.#record;
    if (move === undefined && arrivedBy === migration) return;
    const { peer, landing } = this.#moveOf(migration);
    // A VM that has died here is no reason to keep the source waiting.
    if (await isAlive(this.#record.qemu)) await retractAllBut(this.#files.guest, macAddress(vm, nic));
    await forgetCounts(this.#qmp, this.#context.config.site, peer, landing.token);
    await unmirror(vm);
    await relax(vm);
    this.#arrival?.close();
    this.#arrival = undefined;
    await this.#save({ move: undefined });
  }

  /** Source: takes everything of the move back; the VM runs on here. `voided`: the destination has given it up for good. */
  async abort({ migration, voided }: OrderBody<'abort'>): Promise<void> {
    const { move, ownership, vm } = this.#record;
    if (move === undefined || move.migration !== migration) return;
    if ((await this.#state()).postCopy === 'under-way' && move.role === 'destination') {
      throw refused('not all of its memory is here yet');
    }
    if (ownership === 'handed-over' && !voided) throw new TagalongError('PAST_CANCEL', 'it has been handed over');
    this.#departure.close();
    // Ours again before it runs: a crash in between must not leave it to nobody.
    await this.#save({ ownership: 'home', sent: undefined });
    if (this.#qmp?.isOpen) {
      await this.#departure.cancelMirror();
      // It has all of it, but never runs again: what is left of it is in the way of starting it anew.
      if (!(await runOnAtSource(this.#qmp, vm))) await end(this.#record.qemu);
    }
    this.#departure.forget();
    await unmirror(vm);
    // Also where it is not written down that it has it: the agent may have ended just then.
    await askGuest(this.#files.guest, ['retract', move.landing.lan.address]).catch(() => {});
    await relax(vm);
    await this.#save({ move: undefined, stoppedAtMs: undefined });
  }

  /** Tells who waits for clients or for the guest to stand still that there is no point any more. */
  abandon(): void {
    this.#abandoned = true;
  }

  /** Ends QEMU and forgets the VM, its disk included. */
  async remove(): Promise<void> {
    await this.#end();
    await this.#context.records.delete(this.#record.vm);
  }

  /** Source, once the VM runs elsewhere: the same, but that its disk is kept for its return. */
  async release(): Promise<void> {
    const { config, records, log } = this.#context;
    const { vm } = this.#record;
    await this.#end();
    const keeping = keepDisk(this.#files, this.#record, config);
    const kept = await keeping.catch((err) => void log.warn({ vm, err }, 'its disk could not be kept'));
    await records.delete(vm, kept ?? []);
  }

  async #end(): Promise<void> {
    this.close();
    this.#abandoned = true;
    await end(this.#record.qemu);
    await unplug(this.#record.vm);
  }

  async #runOn(): Promise<void> {
    const qmp = await this.#open();
    if (qmp === undefined) return;
    this.#arrival ??= new Arrival(qmp, await openQmp(this.#files.urgent, true));
    if (!(await isRunning(qmp))) await this.#run(qmp);
  }

  async #run(qmp: Qmp): Promise<void> {
    await qmp.execute('cont');
    for (let i = 0; this.#record.resumedAtMs === undefined && i < 100; i++) await sleep(1);
    if (this.#record.resumedAtMs === undefined) this.#stamp({ resumedAtMs: Date.now() });
    await this.#save({});
  }

  async #open(): Promise<Qmp | undefined> {
    if (this.#qmp?.isOpen) return this.#qmp;
    this.#qmp = await openQmpOf(this.#record.qemu, this.#files.monitor);
    this.#qmp?.onEvent(({ event, atMs }) => this.#hear(event, atMs));
    return this.#qmp;
  }

  #hear(event: string, atMs: number): void {
    const { move, ownership } = this.#record;
    if (event === 'STOP' && move?.role === 'source') this.#stamp({ stoppedAtMs: atMs });
    if (event === 'RESUME' && move?.role === 'destination' && ownership === 'home') this.#stamp({ resumedAtMs: atMs });
  }

  #stamp(times: Pick<InstanceRecord, 'stoppedAtMs' | 'resumedAtMs'>): void {
    this.#record = { ...this.#record, ...times };
  }

  #leaving(): Leaving {
    return {
      context: this.#context,
      files: this.#files,
      record: () => this.#record,
      abandoned: () => this.#abandoned,
      live: () => this.#live(),
      moveOf: (migration) => this.#moveOf(migration),
      done: (step) => this.#done(step),
      save: (changes) => this.#save(changes),
      stoppedAt: (atMs) => this.#stamp({ stoppedAtMs: atMs }),
    };
  }

  #live(): Qmp {
    if (this.#qmp?.isOpen) return this.#qmp;
    throw new TagalongError('QEMU_GONE', `${this.#record.vm}: its QEMU is no more; ${this.#files.log} may say why`);
  }

  async #state(): Promise<Pick<InstanceStatus, 'state' | 'postCopy'>> {
    const { ownership, qemu, move } = this.#record;
    if (ownership === 'handed-over' && move?.postCopy) {
      return { state: 'handed-over', postCopy: this.#departure.postCopy(await isAlive(qemu)) };
    }
    const arriving = ownership === 'home' && move?.role === 'destination' && move.landing.postCopy;
    if ((this.#arrival || arriving) && (await isAlive(qemu))) {
      return this.#arrival?.status() ?? { state: 'running', postCopy: 'under-way' };
    }
    return { state: await stateOf(this.#record, this.#qmp) };
  }

  #moveOf(migration: string): MoveRecord {
    const { move } = this.#record;
    if (move?.migration === migration) return move;
    throw refused(`${this.#record.vm} does not take part in ${migration} here`);
  }

  /** A VM that has just begun gets its address as soon as the helper in it answers. */
  async #settleIn(): Promise<void> {
    const { vm, nic, lan } = this.#record;
    const begins = () => !this.#removed && this.#record.ownership === 'home' && this.#record.arrivedBy === undefined;
    await untilTaken(this.#files.guest, macAddress(vm, nic), lan, async () => begins() && isAlive(this.#record.qemu));
  }

  /** Has the helper in the guest do something. */
  guest(words: readonly string[]): Promise<string> {
    return askGuest(this.#files.guest, words, 60_000);
  }

  async #done(step: Step, more: Partial<Pick<MoveRecord, 'unjoined'>> = {}): Promise<void> {
    const move = this.#record.move!;
    if (!move.done.includes(step)) await this.#save({ move: { ...move, ...more, done: [...move.done, step] } });
  }

  async #save(changes: { [K in keyof InstanceRecord]?: InstanceRecord[K] | undefined }): Promise<void> {
    // A key that is undefined is left out of JSON.
    this.#record = { ...this.#record, ...changes } as InstanceRecord;
    await this.#context.records.save(this.#record);
  }

  /** Lets go of the monitor; QEMU runs on. */
  close(): void {
    this.#removed = true;
    this.#departure.close();
    this.#arrival?.close();
    this.#qmp?.close();
  }
}
