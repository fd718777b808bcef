/**
 * One VM at one site: its record, its QEMU, and what is done to it. Each order is written down before it has
 * consequences, may be repeated, and is refused where it does not fit what is true.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import type { InstanceStatus, Landing, LeaveOrder, OrderBody } from '#shared/hypervisor/qemu/protocol.ts';
import type { Log } from '#shared/log.ts';
import { CarriageWatch } from './carriage.ts';
import { lastWords, type QemuFiles, qemuFiles } from './command-line.ts';
import { closeDisk, DiskCopy } from './disk.ts';
import { credentials } from './encryption.ts';
import { askGuest, retractAllBut, untilJoined } from './guest.ts';
import { point, relax, stretch, unplug, unpoint } from './lan.ts';
import { isOutgoing, MemoryCopy, type MigrateInfo, sendRest, stopAtSource, type Tls } from './memory.ts';
import { macAddress } from './names.ts';
import { end, isAlive } from './process.ts';
import { openQmp, type Qmp } from './qmp.ts';
import { reachable } from './reach.ts';
import { isListening, listen } from './receiver.ts';
import type { InstanceRecord, MoveRecord, Records } from './record.ts';
import { isRunning, runOnAtSource, stateOf, untilReceived } from './runstate.ts';

export interface InstanceContext {
  readonly config: AgentConfig;
  readonly records: Records;
  /** The folder with the certificates that QEMU shows to QEMU; undefined where it shows none. */
  readonly certificates: string | undefined;
  readonly log: Log;
}

type Step = MoveRecord['done'][number];

const refused = (reason: string) => new TagalongError('ORDER_REFUSED', reason);

export class Instance {
  #record: InstanceRecord;
  readonly #context: InstanceContext;
  readonly #files: QemuFiles;
  #qmp: Qmp | undefined;
  #memory: MemoryCopy | undefined;
  #disk: DiskCopy | undefined;
  #carriage: CarriageWatch | undefined;
  /** Says to whoever waits that the move is given up. */
  #abandoned = false;
  #removed = false;

  constructor(context: InstanceContext, record: InstanceRecord) {
    this.#context = context;
    this.#record = record;
    this.#files = qemuFiles(context.records.folder(record.vm));
  }

  get record(): InstanceRecord {
    return this.#record;
  }

  /** Opens the monitor and goes on where a crashed agent left off. False: QEMU is no more. */
  async adopt(): Promise<boolean> {
    const qmp = await this.#open();
    if (qmp === undefined) return false;
    const { ownership, move } = this.#record;
    if (ownership === 'home') {
      // Written down as ours, but the crash came before it was let run.
      if (move?.role === 'destination' && !(await isRunning(qmp))) await this.#run(qmp);
      if (move?.role === 'source') await this.#rejoin(qmp, move);
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
    if (this.#memory || this.#disk) await this.#carriage?.look().catch(() => {});
    return {
      vm,
      machine,
      nic,
      lan,
      state: await this.#state(),
      done: move?.done ?? [],
      ...(move && { migration: move.migration, role: move.role, unjoined: move.unjoined }),
      ...(move?.role === 'destination' && { token: move.landing.token }),
      ...(arrivedBy !== undefined && { arrivedBy }),
      ...(this.#memory && { copy: this.#memory.status }),
      ...(this.#disk && { disk: await this.#disk.status() }),
      ...(this.#carriage && { carriage: this.#carriage.carriage }),
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
    const { endpoints } = this.#context.config;
    const [first] = landing.endpoints;
    const local = endpoints.find(({ provider }) => provider === first!.provider)!.address;
    const next: MoveRecord = {
      ...{ migration, role: 'source', peer: to, landing, stretch: { local, remote: first!.address } },
      ...{ done: [], unjoined: 0 },
    };
    this.#abandoned = false;
    this.#memory?.stop();
    this.#memory = undefined;
    await this.#save({ move: next });
    await stretch(this.#context.config.lan, this.#record, next);
    await this.#done('leave');
    this.#watch(next);
  }

  /** The guest takes an address on its other card, and its clients join it. */
  async announce({ migration, joinMs, later }: OrderBody<'announce'>): Promise<void> {
    const move = this.#moveOf(migration);
    if (move.done.includes('announce')) return;
    if (later) return this.#done('announce');
    const { vm, nic } = this.#record;
    const { lan } = move.landing;
    const card = move.role === 'source' ? other(nic) : nic;
    await this.#take(macAddress(vm, card), lan, 10_000);
    const unjoined = await untilJoined(this.#files.guest, lan.address, joinMs, () => this.#abandoned);
    await this.#done('announce', { unjoined });
  }

  /** Source: the disk, where the machine has one. */
  async mirror({ migration, stallMs }: OrderBody<'mirror'>): Promise<void> {
    const move = this.#moveOf(migration);
    if (this.#record.machine.spec.diskBytes === 0) return this.#done('disk');
    let { landing } = move;
    // What is under way is only watched.
    if (this.#disk === undefined || (await this.#disk.status()).state === 'failed') {
      landing = await this.#reach(move, stallMs);
      this.#disk = new DiskCopy(this.#live(), stallMs);
    }
    await this.#disk.begin(landing, this.#context.config.qemu.mptcp, await this.#tls(move));
    if ((await this.#disk.status()).state === 'ready') await this.#done('disk');
  }

  /** Source: the memory. */
  async copy(order: OrderBody<'copy'>): Promise<void> {
    const move = this.#moveOf(order.migration);
    if (this.#memory && this.#memory.status.state !== 'failed') {
      const { state } = this.#memory.status;
      if (state !== 'copying') await this.#done('memory');
      return;
    }
    this.#memory?.stop();
    const qmp = this.#live();
    const landing = await this.#reach(move, order.stallMs);
    await this.#save({ move: { ...move, copy: order } });
    this.#memory = new MemoryCopy(qmp, order, this.#record.machine.spec.downtimeLimitMs);
    await this.#memory.begin(this.#context.config.qemu, landing, await this.#tls(move));
  }

  /** Source: the VM stands still from here on. */
  async stop({ migration, maxPauseMs, force }: OrderBody<'stop'>): Promise<void> {
    this.#moveOf(migration);
    // A QEMU that is no more stands still as well.
    if (this.#record.ownership === 'handed-over' || !(await isAlive(this.#record.qemu))) return;
    if (this.#memory === undefined) throw refused('its memory is not being copied');
    const { downtimeLimitMs } = this.#record.machine.spec;
    await stopAtSource(this.#live(), this.#memory, force ? maxPauseMs : downtimeLimitMs, () => this.#abandoned);
    if (this.#record.stoppedAtMs === undefined) this.#stamp({ stoppedAtMs: Date.now() });
    await point(this.#record, 'source');
    await this.#disk?.complete();
  }

  /** Source: the rest is sent. Once this is written down the VM never runs on from here, unless it is given back. */
  async handOver({ migration }: OrderBody<'handOver'>): Promise<void> {
    this.#moveOf(migration);
    if (this.#record.ownership === 'handed-over') return;
    if (this.#qmp?.isOpen) {
      if (this.#memory === undefined) throw refused('its memory is not being copied');
      await sendRest(this.#qmp, this.#memory, () => this.#abandoned);
    } else if (await isAlive(this.#record.qemu)) throw refused('its monitor does not answer');
    // A QEMU that is no more cannot run the VM either: whether all of it has arrived is for the destination to say.
    await this.#carriage?.look().catch(() => {});
    const qemuDowntimeMs = this.#memory?.downtimeMs;
    const sent = {
      ...(this.#memory && { copy: this.#memory.status }),
      ...(this.#disk && { disk: await this.#disk.status() }),
      ...(this.#carriage && { carriage: this.#carriage.carriage }),
      ...(qemuDowntimeMs !== undefined && { qemuDowntimeMs }),
    };
    await this.#save({ ownership: 'handed-over', sent });
  }

  /** Destination: its LAN sends the VM's packets here from now on. */
  async expect({ migration }: OrderBody<'expect'>): Promise<void> {
    this.#moveOf(migration);
    // What is mirrored has to be let go of before the last of the memory comes.
    if (this.#record.machine.spec.diskBytes > 0) await closeDisk(this.#live());
    await point(this.#record, 'destination');
  }

  /** Destination: it runs, from here on here. */
  async resume({ migration, token }: OrderBody<'resume'>): Promise<void> {
    const move = this.#moveOf(migration);
    if (move.landing.token !== token) throw refused(`the token ${token} is void`);
    const qmp = this.#live();
    if (this.#record.ownership !== 'home') {
      await untilReceived(qmp, this.#record.vm);
      // Ours, before it runs: an agent that crashes in between knows that it is to let it run.
      await this.#save({ ownership: 'home', arrivedBy: migration });
    }
    if (!(await isRunning(qmp))) await this.#run(qmp);
  }

  /** Destination: the old address is taken back, the stretched LANs go. */
  async settle({ migration }: OrderBody<'settle'>): Promise<void> {
    const { move, arrivedBy, vm, nic } = this.#record;
    if (move === undefined && arrivedBy === migration) return;
    this.#moveOf(migration);
    // A VM that has died here is no reason to keep the source waiting.
    if (await isAlive(this.#record.qemu)) await retractAllBut(this.#files.guest, macAddress(vm, nic));
    await relax(vm);
    await unpoint({ vm, nic });
    await this.#save({ move: undefined });
  }

  /** Source: takes everything of the move back; the VM runs on here. `voided`: the destination has given it up for good. */
  async abort({ migration, voided }: OrderBody<'abort'>): Promise<void> {
    const { move, ownership, vm, nic } = this.#record;
    if (move === undefined || move.migration !== migration) return;
    if (ownership === 'handed-over' && !voided) throw new TagalongError('PAST_CANCEL', 'it has been handed over');
    this.#memory?.stop();
    // Ours again before it runs: a crash in between must not leave it to nobody.
    await this.#save({ ownership: 'home', sent: undefined });
    if (this.#qmp?.isOpen) {
      await this.#disk?.cancel();
      await runOnAtSource(this.#qmp, vm);
    }
    this.#memory = undefined;
    this.#disk = undefined;
    this.#carriage = undefined;
    await unpoint({ vm, nic });
    // Also where it is not written down that it has it: the agent may have ended just then.
    await this.#ask(['retract', move.landing.lan.address]).catch(() => {});
    await relax(vm);
    await this.#save({ move: undefined, stoppedAtMs: undefined });
  }

  /** Tells who waits for clients or for the guest to stand still that there is no point any more. */
  abandon(): void {
    this.#abandoned = true;
  }

  /** Ends QEMU and forgets the VM, its disk included. */
  async remove(): Promise<void> {
    this.#removed = true;
    this.#abandoned = true;
    this.#memory?.stop();
    this.#qmp?.close();
    await end(this.#record.qemu);
    await unplug(this.#record.vm);
    await this.#context.records.delete(this.#record.vm);
  }

  async #run(qmp: Qmp): Promise<void> {
    await qmp.execute('cont');
    for (let i = 0; this.#record.resumedAtMs === undefined && i < 100; i++) await sleep(1);
    if (this.#record.resumedAtMs === undefined) this.#stamp({ resumedAtMs: Date.now() });
    await this.#save({});
  }

  async #open(): Promise<Qmp | undefined> {
    if (this.#qmp?.isOpen) return this.#qmp;
    for (let i = 0; await isAlive(this.#record.qemu); i++) {
      try {
        const qmp = await openQmp(this.#files.monitor);
        qmp.onEvent(({ event, atMs }) => this.#hear(event, atMs));
        this.#qmp = qmp;
        return qmp;
      } catch (error) {
        // A QEMU that was started just now has no monitor yet.
        if (i > 500) throw error;
        await sleep(10);
      }
    }
    return undefined;
  }

  #hear(event: string, atMs: number): void {
    const { move, ownership } = this.#record;
    if (event === 'STOP' && move?.role === 'source') this.#stamp({ stoppedAtMs: atMs });
    if (event === 'RESUME' && move?.role === 'destination' && ownership === 'home') this.#stamp({ resumedAtMs: atMs });
  }

  #stamp(times: Pick<InstanceRecord, 'stoppedAtMs' | 'resumedAtMs'>): void {
    this.#record = { ...this.#record, ...times };
  }

  #live(): Qmp {
    if (this.#qmp?.isOpen) return this.#qmp;
    throw new TagalongError('QEMU_GONE', `${this.#record.vm}: its QEMU is no more; ${this.#files.log} may say why`);
  }

  async #state(): Promise<InstanceStatus['state']> {
    const { ownership, qemu } = this.#record;
    if (!(await isAlive(qemu))) return ownership === 'handed-over' ? 'handed-over' : 'dead';
    if (ownership === 'handed-over') return 'handed-over';
    const silent = ownership === 'home' ? 'stopped' : 'receiving';
    if (!this.#qmp?.isOpen) return silent;
    // It may end while it is asked; that it does not answer does not mean that it has.
    return stateOf(this.#qmp, ownership).catch(async () => ((await isAlive(qemu)) ? silent : 'dead'));
  }

  #moveOf(migration: string): MoveRecord {
    const { move } = this.#record;
    if (move?.migration === migration) return move;
    throw refused(`${this.#record.vm} does not take part in ${migration} here`);
  }

  /** Watches again what was under way when the agent before this one ended. */
  async #rejoin(qmp: Qmp, move: MoveRecord): Promise<void> {
    this.#watch(move);
    const { spec } = this.#record.machine;
    if (spec.diskBytes > 0 && move.done.includes('announce'))
      this.#disk = new DiskCopy(qmp, move.copy?.stallMs ?? 60_000);
    if (move.copy && isOutgoing(await qmp.execute<MigrateInfo>('query-migrate'))) {
      this.#memory = new MemoryCopy(qmp, move.copy, spec.downtimeLimitMs);
      await this.#memory.begin(this.#context.config.qemu, move.landing, await this.#tls(move));
    }
  }

  /** What this QEMU shows to, and asks of, the one it sends to. */
  async #tls({ peer }: MoveRecord): Promise<Tls> {
    return { creds: await credentials(this.#live(), this.#context.certificates, 'client'), peer };
  }

  /** Where a copy is to be sent: first to an address that answers now. */
  async #reach({ landing }: MoveRecord, stallMs: number): Promise<Landing> {
    const { endpoints, answerPort } = landing;
    return { ...landing, endpoints: await reachable(endpoints, answerPort, stallMs, () => this.#abandoned) };
  }

  #watch({ landing }: MoveRecord): void {
    const { endpoints } = this.#context.config;
    this.#carriage = new CarriageWatch([landing.memoryPort, landing.diskPort], endpoints);
  }

  /** A VM that has just begun gets its address as soon as the helper in it answers. */
  async #settleIn(): Promise<void> {
    const { vm, nic } = this.#record;
    while (!this.#removed && this.#record.ownership === 'home' && this.#record.arrivedBy === undefined) {
      if (!(await isAlive(this.#record.qemu))) return;
      try {
        return await this.#take(macAddress(vm, nic), this.#record.lan, 2000);
      } catch {
        await sleep(100);
      }
    }
  }

  async #take(mac: string, { address, prefix, gateway }: InstanceRecord['lan'], answerMs: number): Promise<void> {
    await this.#ask(['take', mac, `${address}/${prefix}`, gateway], answerMs);
  }

  #ask(words: readonly string[], answerMs?: number): Promise<string> {
    return askGuest(this.#files.guest, words, answerMs);
  }

  /** Has the helper in the guest do something. */
  guest(words: readonly string[]): Promise<string> {
    return this.#ask(words, 60_000);
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
    this.#memory?.stop();
    this.#qmp?.close();
  }
}

function other(nic: 0 | 1): 0 | 1 {
  return nic === 0 ? 1 : 0;
}
