/** What a VM's source sends of it during a move: disk, memory, and what is still missing where it runs elsewhere by then. */
import { TagalongError } from '#shared/errors.ts';
import type { InstanceStatus, Landing, OrderBody } from '#shared/hypervisor/qemu/protocol.ts';
import type { Log } from '#shared/log.ts';
import { CarriageWatch } from './carriage.ts';
import { DiskCopy } from './disk.ts';
import { credentials } from './encryption.ts';
import type { InstanceRecord, MoveRecord } from './instance-record.ts';
import { mirror } from './lan.ts';
import type { Leaving } from './leaving.ts';
import { isSending, MemoryCopy, sendRest, stopAtSource, type Tls } from './memory.ts';
import { beginPostCopy, reconnect, stopForPostCopy } from './post-copy.ts';
import { isAlive } from './process.ts';
import type { Qmp } from './qmp.ts';
import { reachable } from './reach.ts';

const refused = (reason: string) => new TagalongError('ORDER_REFUSED', reason);

export class Departure {
  readonly #of: Leaving;
  #memory: MemoryCopy | undefined;
  #disk: DiskCopy | undefined;
  #carriage: CarriageWatch | undefined;

  constructor(of: Leaving) {
    this.#of = of;
  }

  /** @throws TagalongError ORDER_REFUSED where QEMU could not send it there */
  check({ compression }: Landing, to: string): void {
    const { qemu } = this.#of.context.config;
    if (compression !== qemu.compression) {
      throw refused(`qemu.compression is ${qemu.compression} here and ${compression} at ${to}; set both alike`);
    }
  }

  /** A new move begins. */
  begin(): void {
    this.forget();
    this.#watch();
  }

  /** Watches again what was under way when the agent before this one ended. */
  async rejoin(qmp: Qmp, move: MoveRecord): Promise<void> {
    this.#watch();
    const { spec } = this.#of.record().machine;
    if (spec.diskBytes > 0 && move.done.includes('announce')) {
      this.#disk = new DiskCopy(qmp, move.copy?.stallMs ?? 60_000);
      await this.#disk.resume();
    }
    if (move.copy && (await isSending(qmp))) {
      this.#memory = new MemoryCopy(qmp, move.copy, spec.downtimeLimitMs, move.landing.postCopy, this.#log());
      await this.#memory.begin(this.#of.context.config.qemu, move.landing, await this.#tls(move));
    }
  }

  /** The disk, where the machine has one. */
  async mirror({ migration, stallMs }: OrderBody<'mirror'>): Promise<void> {
    const move = this.#of.moveOf(migration);
    if (this.#of.record().machine.spec.diskBytes === 0) return this.#of.done('disk');
    const { qemu } = this.#of.context.config;
    let { landing } = move;
    // What is under way is only watched.
    if (this.#disk === undefined || (await this.#disk.status()).state === 'failed') {
      landing = await this.#reach(move, stallMs);
      this.#disk = new DiskCopy(this.#of.live(), stallMs);
    }
    await this.#disk.begin({ ...move, landing }, qemu.mptcp, await this.#tls(move), this.#of.files);
    if ((await this.#disk.status()).state === 'ready') await this.#of.done('disk');
  }

  /** The memory. */
  async copy(order: OrderBody<'copy'>): Promise<void> {
    const move = this.#of.moveOf(order.migration);
    if (this.#memory && this.#memory.status.state !== 'failed') {
      if (this.#memory.status.state !== 'copying') await this.#of.done('memory');
      return;
    }
    this.#memory?.stop();
    const qmp = this.#of.live();
    const landing = await this.#reach(move, order.stallMs);
    await this.#of.save({ move: { ...move, copy: order } });
    const { downtimeLimitMs } = this.#of.record().machine.spec;
    this.#memory = new MemoryCopy(qmp, order, downtimeLimitMs, landing.postCopy, this.#log());
    await this.#memory.begin(this.#of.context.config.qemu, landing, await this.#tls(move));
  }

  /** The VM stands still from here on; where the destination waits for nothing else, the rest is sent at once. */
  async stop({ migration, maxPauseMs, force, handOver }: OrderBody<'stop'>): Promise<void> {
    await this.#stop(migration, force ? maxPauseMs : this.#of.record().machine.spec.downtimeLimitMs);
    // An order of its own would be on its way while the VM stands still.
    if (handOver) await this.handOver({ migration });
  }

  async #stop(migration: string, limitMs: number): Promise<void> {
    const move = this.#of.moveOf(migration);
    const { ownership, qemu } = this.#of.record();
    // A QEMU that is no more stands still as well.
    if (ownership === 'handed-over' || !(await isAlive(qemu))) return;
    await mirror(this.#of.record(), 'source');
    if (!(await this.#stopForPreCopy(move, limitMs))) {
      await this.#of.save({ move: { ...move, postCopy: true } });
      await stopForPostCopy(this.#of.live(), this.#copying(), this.#of.abandoned);
    }
    if (this.#of.record().stoppedAtMs === undefined) this.#of.stoppedAt(Date.now());
    await this.#disk?.complete();
  }

  /** The rest is sent. Once this is written down the VM never runs on from here, unless it is given back. */
  async handOver({ migration }: OrderBody<'handOver'>): Promise<void> {
    const { postCopy } = this.#of.moveOf(migration);
    const { ownership, qemu } = this.#of.record();
    if (postCopy) {
      const copy = this.#copying();
      // Before QEMU sends what the destination can let run.
      await this.#of.save({ ownership: 'handed-over' });
      return beginPostCopy(this.#of.live(), copy, this.#of.abandoned);
    }
    if (ownership === 'handed-over') return;
    if (await isAlive(qemu)) await sendRest(this.#of.live(), this.#copying(), this.#of.abandoned);
    // A QEMU that is no more cannot run the VM either: whether all of it has arrived is for the destination to say.
    await this.#carriage?.look().catch(() => {});
    await this.#of.save({ ownership: 'handed-over', sent: await this.#sent() });
  }

  /** What is missing in post-copy goes on over another connection. */
  async reconnect({ migration, port, stallMs }: OrderBody<'reconnect'>): Promise<void> {
    const { endpoints } = await this.#reach(this.#of.moveOf(migration), stallMs);
    this.#carriage?.follow(port);
    await reconnect(this.#of.live(), endpoints, port, this.#of.context.config.qemu.mptcp);
  }

  /** What the copies took so far. */
  async status(): Promise<NonNullable<InstanceRecord['sent']>> {
    if (this.#memory || this.#disk) await this.#carriage?.look().catch(() => {});
    return this.#sent();
  }

  /** What is known here of what is missing in post-copy. */
  postCopy(lives: boolean): NonNullable<InstanceStatus['postCopy']> {
    const state = this.#memory?.status.state;
    if (state === 'sent') return 'whole';
    if (!lives || state === 'failed') return 'lost';
    return this.#memory?.isBroken ? 'broken' : 'under-way';
  }

  /** Ends the mirror as it is. */
  async cancelMirror(): Promise<void> {
    await this.#disk?.cancel();
  }

  /** Stops watching. */
  close(): void {
    this.#memory?.stop();
  }

  /** The move is over, or taken back. */
  forget(): void {
    this.close();
    this.#memory = undefined;
    this.#disk = undefined;
    this.#carriage = undefined;
  }

  /** False: it does not get small enough, and post-copy may take its place. */
  async #stopForPreCopy(move: MoveRecord, limitMs: number): Promise<boolean> {
    const copy = this.#copying();
    if (move.postCopy || copy.status.state === 'post-copy') return false;
    try {
      await stopAtSource(this.#of.live(), copy, limitMs, this.#of.abandoned);
      return true;
    } catch (error) {
      if (move.landing.postCopy && error instanceof TagalongError && error.code === 'NOT_CONVERGING') return false;
      throw error;
    }
  }

  #copying(): MemoryCopy {
    if (this.#memory === undefined) throw refused('its memory is not being copied');
    return this.#memory;
  }

  async #sent(): Promise<NonNullable<InstanceRecord['sent']>> {
    const qemuDowntimeMs = this.#memory?.downtimeMs;
    return {
      ...(this.#memory && { copy: this.#memory.status }),
      ...(this.#disk && { disk: await this.#disk.status() }),
      ...(this.#carriage && { carriage: this.#carriage.carriage }),
      ...(qemuDowntimeMs !== undefined && { qemuDowntimeMs }),
    };
  }

  /** Where a copy is to be sent: first to an address that answers now. */
  async #reach({ landing }: MoveRecord, stallMs: number): Promise<Landing> {
    const { endpoints, answerPort } = landing;
    return { ...landing, endpoints: await reachable(endpoints, answerPort, stallMs, this.#of.abandoned) };
  }

  /** What this QEMU shows to, and asks of, the one it sends to. */
  async #tls({ peer }: MoveRecord): Promise<Tls> {
    return { creds: await credentials(this.#of.live(), this.#of.context.certificates, 'client'), peer };
  }

  #log(): Log {
    return this.#of.context.log.child({ vm: this.#of.record().vm });
  }

  #watch(): void {
    const { landing } = this.#of.record().move!;
    this.#carriage = new CarriageWatch([landing.memoryPort, landing.diskPort], this.#of.context.config.endpoints);
  }
}
