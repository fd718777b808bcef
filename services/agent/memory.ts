/**
 * The copy of a running VM's memory, as its source QEMU does it, watched. What QEMU says of its own state is not enough:
 * a dead path looks `active` at full speed, so bytes that really went are what counts.
 *
 * QEMU is kept from switching over by itself: it is told of a switch-over bandwidth of next to nothing, so that it goes
 * on copying until the order to stop comes; only a guest that dirtied nothing at all during a round slips through, and
 * then stands still at `pre-switchover` until the order comes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import type { CopyOrder, CopyStatus, Landing } from '#shared/hypervisor/qemu/protocol.ts';
import type { Log } from '#shared/log.ts';
import { afterRound, type RoundVerdict } from '#shared/model/pre-copy.ts';
import { foreignText } from '#shared/text.ts';
import { isRunning, type Qmp } from './qmp.ts';
import { countedPieces } from './written.ts';

/** `query-migrate`, as far as it is used. */
export interface MigrateInfo {
  readonly status?: string;
  readonly ram?: {
    readonly transferred: number;
    readonly remaining: number;
    readonly 'dirty-sync-count': number;
  };
  readonly downtime?: number;
  readonly 'error-desc'?: string;
}

const MOST_BYTES = 1e16;
const MOST_ROUNDS = 1e9;
const MOST_BPS = 1e12;
/** Ten days. */
const MOST_MS = 864_000_000;

/** A number of QEMU's, within bounds; 0 where it is none. */
export function numberOf(value: unknown, most = MOST_BYTES): number {
  return typeof value === 'number' && value >= 0 ? Math.min(value, most) : 0;
}

/** What can be believed of what QEMU says: one that its guest has taken over costs its own VM, and nobody else. */
function believed(info: MigrateInfo | null): MigrateInfo {
  const { status, ram, downtime, 'error-desc': fault } = info ?? {};
  return {
    ...(typeof status === 'string' && { status: foreignText(status, 64) }),
    ...(typeof ram === 'object' && {
      ram: {
        transferred: numberOf(ram?.transferred),
        remaining: numberOf(ram?.remaining),
        'dirty-sync-count': Math.floor(numberOf(ram?.['dirty-sync-count'], MOST_ROUNDS)),
      },
    }),
    ...(downtime !== undefined && { downtime: numberOf(downtime, MOST_MS) }),
    ...(fault !== undefined && { 'error-desc': foreignText(fault) }),
  };
}

const POLL_MS = 50;
/** Little enough that QEMU never thinks the rest is small, more than nothing: at 0 it would not look at all. */
const NEXT_TO_NOTHING_BPS = 1000;
/** A page a second. */
const HARDLY_BPS = 4096;
/** As much as QEMU takes: the paths are the limit, not this number, whose default is 1.07 Gbit/s. */
export const NO_LIMIT_BPS = 2 ** 40;

/** What both ends of a move have to agree on. */
export function capabilities(
  { autoConverge, compression }: AgentConfig['qemu'],
  end: 'source' | 'destination',
  postCopy: boolean,
): object[] {
  const on = (capability: string, state = true) => ({ capability, state });
  return [
    on('events'),
    on('auto-converge', autoConverge),
    on('multifd', compression !== 'none'),
    on('postcopy-ram', postCopy),
    ...(end === 'source' ? [on('pause-before-switchover')] : []),
  ];
}

/** Parameters that both ends have to agree on. */
export function parameters({ compression }: AgentConfig['qemu']): object {
  // Each channel is an MPTCP connection of its own with all its subflows; few are enough.
  return compression === 'none' ? {} : { 'multifd-compression': compression, 'multifd-channels': 2 };
}

/** True: the VM may run at the destination while QEMU still sends its memory. Nothing is called off any more. */
export function isPostCopy(status: string): boolean {
  return status.startsWith('postcopy-');
}

/**
 * True: QEMU is sending its VM, or has sent it. `completed` may also be said of earlier migrations: one that brought the VM
 * here counted no bytes, and a VM that was sent away and given back runs again.
 */
export async function isSending(qmp: Qmp): Promise<boolean> {
  const { status, ram } = await qmp.execute<MigrateInfo>('query-migrate');
  if (status === 'completed') {
    if (ram === undefined || ram.transferred === 0) return false;
    return !(await isRunning(qmp));
  }
  if (status === undefined) return false;
  return ['setup', 'active', 'pre-switchover', 'device'].includes(status) || isPostCopy(status);
}

/** An address in QEMU's words; with `mptcp` over as many paths as there are. */
export function tcp(host: string, port: number, mptcp: boolean): object {
  return { type: 'inet', host, port: `${port}`, ...(mptcp && { mptcp }) };
}

/** Certificates that QEMU was given, none where `creds` is empty, and the name of the site that is to show its own. */
export interface Tls {
  readonly creds: string;
  readonly peer: string;
}

/** What it decides is logged with its figures. */
export class MemoryCopy {
  readonly #qmp: Qmp;
  readonly #log: Log;
  readonly #order: CopyOrder;
  readonly #downtimeLimitMs: number;
  readonly #postCopy: boolean;
  #state: CopyStatus['state'] = 'copying';
  #failure: CopyStatus['failure'];
  #info: MigrateInfo = {};
  #status = 'none';
  #rateBps = 0;
  #movedAtMs: number;
  #roundAt = { ms: 0, bytes: 0, round: 0 };
  #asking = false;
  #begun = false;
  #over = false;
  readonly #begunMs: number;

  /**
   * @param postCopy whether it may be finished so
   * @param log bound to the VM
   */
  constructor(qmp: Qmp, order: CopyOrder, downtimeLimitMs: number, postCopy: boolean, log: Log) {
    this.#qmp = qmp;
    this.#log = log;
    this.#order = order;
    this.#downtimeLimitMs = downtimeLimitMs;
    this.#postCopy = postCopy;
    this.#begunMs = performance.now();
    this.#movedAtMs = this.#begunMs;
    this.#roundAt.ms = this.#begunMs;
    qmp.onEvent(({ event }) => {
      // At the end of a round only, `remaining` is what the guest has dirtied since the one before.
      if (event === 'MIGRATION_PASS' || event === 'MIGRATION') void this.look();
    });
  }

  /** Begins; where a copy is under way already, as after a restart of the agent, watches that one. */
  async begin(settings: AgentConfig['qemu'], { endpoints, memoryPort }: Landing, tls: Tls): Promise<void> {
    const qmp = this.#qmp;
    if (!(await isSending(qmp))) {
      await qmp.execute('migrate-set-capabilities', { capabilities: capabilities(settings, 'source', this.#postCopy) });
      await qmp.execute('migrate-set-parameters', {
        ...parameters(settings),
        'max-bandwidth': NO_LIMIT_BPS,
        'downtime-limit': 1,
        // For a round to end, no more may be left than the bitmaps of disks, and a byte.
        'avail-switchover-bandwidth': NEXT_TO_NOTHING_BPS * (1 + (await countedPieces(qmp))),
        'tls-creds': tls.creds,
        'tls-hostname': tls.creds && tls.peer,
      });
      const addr = { ...tcp(endpoints[0]!.address, memoryPort, settings.mptcp), transport: 'socket' };
      await qmp.execute('migrate', { channels: [{ 'channel-type': 'main', addr }] });
    }
    this.#begun = true;
    void this.#watch();
  }

  get status(): CopyStatus {
    const { transferred = 0, remaining = 0, 'dirty-sync-count': rounds = 0 } = this.#info.ram ?? {};
    return {
      state: this.#state,
      sentBytes: transferred,
      remainingBytes: remaining,
      rounds,
      rateBps: numberOf(this.#rateBps, MOST_BPS),
      ...(this.#failure && { failure: this.#failure }),
    };
  }

  /** True: it is finished by post-copy, and what is missing does not get to the destination. */
  get isBroken(): boolean {
    const standsMs = performance.now() - this.#movedAtMs;
    return this.#state === 'post-copy' && (this.#status === 'postcopy-paused' || standsMs > this.#order.stallMs);
  }

  /** What QEMU calls downtime, once it is over. */
  get downtimeMs(): number | undefined {
    return this.#info.downtime;
  }

  /** Asks QEMU once and draws the conclusions. */
  async look(): Promise<void> {
    // Before it has begun, QEMU speaks of an earlier migration, also of the one by which the VM came here.
    if (!this.#begun || this.#asking || this.#over) return;
    this.#asking = true;
    try {
      this.#conclude(believed(await this.#qmp.execute<MigrateInfo | null>('query-migrate')));
    } catch (error) {
      // Of a VM that runs elsewhere by now, silence decides nothing.
      if (!isPostCopy(this.#status)) this.#fail('QEMU_GONE', (error as Error).message);
    } finally {
      this.#asking = false;
    }
  }

  /** Stops watching. */
  stop(): void {
    this.#over = true;
  }

  async #watch(): Promise<void> {
    while (!this.#over && this.#state !== 'sent' && this.#state !== 'failed') {
      await this.look();
      await sleep(POLL_MS);
    }
  }

  #conclude(info: MigrateInfo): void {
    const before = this.#info.ram?.transferred ?? 0;
    this.#info = info;
    const { status = 'none', ram } = info;
    const nowMs = performance.now();
    // While QEMU waits for the order to go on, no byte is due.
    if ((ram?.transferred ?? 0) > before || status !== this.#status) this.#movedAtMs = nowMs;
    this.#status = status;
    if (status === 'failed' || status === 'cancelled') {
      this.#fail('COPY_FAILED', info['error-desc'] ?? `QEMU says: ${status}`);
    } else if (status === 'completed') this.#state = 'sent';
    else if (isPostCopy(status)) this.#state = 'post-copy';
    // Also on the way to a path that is dead from the start, and with the last bytes, while the VM stands still.
    else if ((status === 'setup' || status === 'device') && this.#stalled(nowMs)) return;
    else if (status === 'pre-switchover' || status === 'device') this.#state = 'stopped';
    else if (this.#state === 'copying' && ram) this.#judge(ram, nowMs);
  }

  #judge(ram: NonNullable<MigrateInfo['ram']>, nowMs: number): void {
    const { maxRounds, maxPauseMs } = this.#order;
    const round = ram['dirty-sync-count'];
    const elapsedMs = nowMs - this.#begunMs;
    if (elapsedMs > 0) this.#rateBps = (ram.transferred / elapsedMs) * 1000;
    if (this.#stalled(nowMs)) return;
    // The first count is of the round that begins with everything.
    if (round <= Math.max(1, this.#roundAt.round)) return;
    const roundMs = nowMs - this.#roundAt.ms;
    const roundBps = ((ram.transferred - this.#roundAt.bytes) / roundMs) * 1000;
    this.#roundAt = { ms: nowMs, bytes: ram.transferred, round };
    // A short round says little about the paths: it may have been over before they were full.
    const rateBps = Math.max(roundBps, this.#rateBps);
    const limits = { maxRounds, maxPauseMs, postCopy: this.#postCopy };
    const verdict = afterRound({ downtimeLimitMs: this.#downtimeLimitMs }, limits, round - 1, ram.remaining, rateBps);
    this.#sayVerdict(verdict, round - 1, ram.remaining, rateBps);
    if (verdict === 'switch' || verdict === 'force' || verdict === 'post-copy') {
      this.#state = ({ switch: 'ready', force: 'forced', 'post-copy': 'post-copy' } as const)[verdict];
      // Waits for the order with the rest unsent: at full speed it would soon have nothing left to send, and stop.
      void this.#qmp.execute('migrate-set-parameters', { 'max-bandwidth': HARDLY_BPS }).catch(() => {});
    } else if (verdict === 'give-up') {
      const seconds = (ram.remaining / rateBps).toFixed(1);
      this.#fail('NOT_CONVERGING', `after ${round - 1} rounds the rest would still stop the VM for ${seconds} s`);
    }
  }

  #sayVerdict(verdict: RoundVerdict, round: number, remainingBytes: number, rateBps: number): void {
    const { migration, maxRounds, maxPauseMs } = this.#order;
    const figures = {
      round,
      remainingBytes,
      rateBps: Math.round(rateBps),
      wouldPauseMs: Math.round((remainingBytes / rateBps) * 1000),
    };
    const limits = { maxRounds, maxPauseMs, downtimeLimitMs: this.#downtimeLimitMs };
    const level = verdict === 'again' ? 'debug' : 'info';
    this.#log[level]({ migration, verdict, ...figures, limits }, 'a pre-copy round has ended');
  }

  #stalled(nowMs: number): boolean {
    const standsMs = nowMs - this.#movedAtMs;
    if (standsMs <= this.#order.stallMs) return false;
    this.#fail('STALLED', `no byte for ${Math.round(standsMs)} ms, whatever QEMU says`);
    return true;
  }

  #fail(code: string, reason: string): void {
    if (this.#state === 'sent' || this.#over) return;
    const { sentBytes, remainingBytes } = this.status;
    this.#log.warn(
      { migration: this.#order.migration, code, reason, sentBytes, remainingBytes },
      'a memory copy is given up',
    );
    this.#state = 'failed';
    this.#failure = { code, reason };
  }
}

/** How long QEMU may need to stop the VM once it is allowed to: it looks at its limits ten times a second. */
const STOP_MS = 10_000;

/**
 * Lets QEMU stop the VM, and waits until it stands still at `pre-switchover`.
 * @param limitMs how long the last copy may take
 * @throws TagalongError NOT_CONVERGING, COPY_FAILED
 */
export async function stopAtSource(
  qmp: Qmp,
  copy: MemoryCopy,
  limitMs: number,
  abandoned: () => boolean,
): Promise<void> {
  await qmp.execute('migrate-set-parameters', {
    'max-bandwidth': NO_LIMIT_BPS,
    'downtime-limit': Math.max(1, Math.round(limitMs)),
    'avail-switchover-bandwidth': Math.max(1, Math.round(copy.status.rateBps)),
  });
  await untilStopped(copy, abandoned, () => {
    throw new TagalongError('NOT_CONVERGING', `the guest dirties more than can be sent in ${Math.round(limitMs)} ms`);
  });
}

/**
 * Waits until a VM stands still at `pre-switchover`.
 * @param late called where that takes too long; throws
 * @throws TagalongError COPY_FAILED
 */
export async function untilStopped(copy: MemoryCopy, abandoned: () => boolean, late: () => never): Promise<void> {
  for (const untilMs = performance.now() + STOP_MS; ; await sleep(2)) {
    await copy.look();
    const { state, failure } = copy.status;
    if (state === 'stopped' || state === 'sent') return;
    if (state === 'failed') throw new TagalongError('COPY_FAILED', failure!.reason);
    if (abandoned()) throw new TagalongError('COPY_FAILED', 'it was called off');
    if (performance.now() > untilMs) late();
  }
}

/**
 * Lets QEMU send the rest and waits until it has.
 * @throws TagalongError COPY_FAILED: the VM runs on at the source
 */
export async function sendRest(qmp: Qmp, copy: MemoryCopy, abandoned: () => boolean): Promise<void> {
  const { status } = await qmp.execute<MigrateInfo>('query-migrate');
  if (status === 'pre-switchover') await qmp.execute('migrate-continue', { state: 'pre-switchover' });
  for (;;) {
    await copy.look();
    const { state, failure } = copy.status;
    if (state === 'sent') return;
    if (state === 'failed') throw new TagalongError('COPY_FAILED', failure!.reason);
    if (abandoned()) throw new TagalongError('COPY_FAILED', 'it was called off');
    await sleep(2);
  }
}
