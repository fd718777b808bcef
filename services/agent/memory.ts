/**
 * The copy of a running VM's memory by its source QEMU (pre-copy), and the decision when it is over. QEMU's own state is not
 * enough: over a dead path QEMU still says `active` at full speed. So the bytes that were sent count.
 *
 * QEMU must not switch over by itself. It is given a switch-over bandwidth close to zero, so it keeps copying until the order
 * to stop. Only a guest that dirtied nothing during a whole round slips through; QEMU then stops it at `pre-switchover` and
 * waits for the order.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentConfig } from '#shared/config/agent.ts';
import type { CopyOrder, CopyStatus, ReceiverInfo } from '#shared/hypervisor/qemu/protocol.ts';
import type { Log } from '#shared/log.ts';
import { afterRound, type RoundVerdict } from '#shared/model/pre-copy.ts';
import { capabilities, mainChannel, NO_LIMIT_BPS, parameters, type Tls } from './migration-settings.ts';
import type { Qmp } from './qmp.ts';
import { boundedNumber, isPostCopy, isSending, type MigrateInfo, queryMigrate } from './query-migrate.ts';
import { countedPieces } from './written.ts';

const MAX_BPS = 1e12;
const POLL_MS = 50;
/** So low that QEMU never considers the rest small enough. With 0, QEMU would not compare at all. */
const NEXT_TO_NOTHING_BPS = 1000;
/** A page a second. */
const HARDLY_BPS = 4096;

/**
 * One copy of a VM's memory. Watches QEMU until the copy has ended or `stop` is called. Logs each decision with its figures
 * (bytes, bytes a second, milliseconds).
 */
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
  #isQuerying = false;
  #begun = false;
  #over = false;
  readonly #begunMs: number;

  /**
   * @param downtimeLimitMs how long the VM may stand still without force
   * @param postCopy whether the copy may be finished by post-copy
   * @param log with the name of the VM
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
      // Only at the end of a round `remaining` is what the guest dirtied during that round.
      if (event === 'MIGRATION_PASS' || event === 'MIGRATION') void this.update();
    });
  }

  /** Begins the copy. After a restart of the agent it watches the copy that is under way. */
  async begin(settings: AgentConfig['qemu'], { endpoints, memoryPort }: ReceiverInfo, tls: Tls): Promise<void> {
    const qmp = this.#qmp;
    if (!(await isSending(qmp))) {
      await qmp.execute('migrate-set-capabilities', { capabilities: capabilities(settings, 'source', this.#postCopy) });
      await qmp.execute('migrate-set-parameters', {
        ...parameters(settings),
        'max-bandwidth': NO_LIMIT_BPS,
        'downtime-limit': 1,
        // A round ends when no more is left than the disks' bitmaps and one byte.
        'avail-switchover-bandwidth': NEXT_TO_NOTHING_BPS * (1 + (await countedPieces(qmp))),
        'tls-creds': tls.creds,
        'tls-hostname': tls.creds && tls.peer,
      });
      await qmp.execute('migrate', { channels: mainChannel(endpoints[0]!.address, memoryPort, settings.mptcp) });
    }
    this.#begun = true;
    void this.#watch();
  }

  /** The progress of the copy: bytes since it began, rounds, bytes a second. */
  get status(): CopyStatus {
    const { transferred = 0, remaining = 0, 'dirty-sync-count': rounds = 0 } = this.#info.ram ?? {};
    return {
      state: this.#state,
      sentBytes: transferred,
      remainingBytes: remaining,
      rounds,
      rateBps: boundedNumber(this.#rateBps, MAX_BPS),
      ...(this.#failure && { failure: this.#failure }),
    };
  }

  /** True: post-copy is in progress, and its connection is broken. */
  get isBroken(): boolean {
    const standsMs = performance.now() - this.#movedAtMs;
    return this.#state === 'post-copy' && (this.#status === 'postcopy-paused' || standsMs > this.#order.stallMs);
  }

  /** QEMU's own downtime, in milliseconds; known once the migration is over. */
  get downtimeMs(): number | undefined {
    return this.#info.downtime;
  }

  /** Queries QEMU once, and evaluates its answer. */
  async update(): Promise<void> {
    // Before `migrate`, QEMU reports an earlier migration, such as the one that brought the VM here.
    if (!this.#begun || this.#isQuerying || this.#over) return;
    this.#isQuerying = true;
    try {
      this.#conclude(await queryMigrate(this.#qmp));
    } catch (error) {
      // In post-copy the VM runs at the destination: a missing answer of this QEMU is no failure.
      if (!isPostCopy(this.#status)) this.#fail('QEMU_GONE', (error as Error).message);
    } finally {
      this.#isQuerying = false;
    }
  }

  /** Stops watching; QEMU goes on. */
  stop(): void {
    this.#over = true;
  }

  async #watch(): Promise<void> {
    while (!this.#over && this.#state !== 'sent' && this.#state !== 'failed') {
      await this.update();
      await sleep(POLL_MS);
    }
  }

  #conclude(info: MigrateInfo): void {
    const before = this.#info.ram?.transferred ?? 0;
    this.#info = info;
    const { status = 'none', ram } = info;
    const nowMs = performance.now();
    // A new status counts as progress: while QEMU waits for an order it sends nothing.
    if ((ram?.transferred ?? 0) > before || status !== this.#status) this.#movedAtMs = nowMs;
    this.#status = status;
    if (status === 'failed' || status === 'cancelled') {
      this.#fail('COPY_FAILED', info['error-desc'] ?? `QEMU says: ${status}`);
    } else if (status === 'completed') this.#state = 'sent';
    else if (isPostCopy(status)) this.#state = 'post-copy';
    // Checked also while QEMU connects, and while it sends the last bytes of a VM that stands still.
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
    // The count is 1 during the first round, which sends everything.
    if (round <= Math.max(1, this.#roundAt.round)) return;
    const roundMs = nowMs - this.#roundAt.ms;
    const roundBps = ((ram.transferred - this.#roundAt.bytes) / roundMs) * 1000;
    this.#roundAt = { ms: nowMs, bytes: ram.transferred, round };
    // A short round may end before the paths are full: then the average of the whole copy is nearer the truth.
    const rateBps = Math.max(roundBps, this.#rateBps);
    const limits = { maxRounds, maxPauseMs, postCopy: this.#postCopy };
    const verdict = afterRound({ downtimeLimitMs: this.#downtimeLimitMs }, limits, round - 1, ram.remaining, rateBps);
    this.#logVerdict(verdict, round - 1, ram.remaining, rateBps);
    if (verdict === 'switch' || verdict === 'force' || verdict === 'post-copy') {
      this.#state = ({ switch: 'ready', force: 'forced', 'post-copy': 'post-copy' } as const)[verdict];
      // Throttled until the order to stop comes: at full speed QEMU would send the rest and stop the VM by itself.
      void this.#qmp.execute('migrate-set-parameters', { 'max-bandwidth': HARDLY_BPS }).catch(() => {});
    } else if (verdict === 'give-up') {
      const seconds = (ram.remaining / rateBps).toFixed(1);
      this.#fail('NOT_CONVERGING', `after ${round - 1} rounds the VM would still stand still for ${seconds} s`);
    }
  }

  #logVerdict(verdict: RoundVerdict, round: number, remainingBytes: number, rateBps: number): void {
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
    this.#fail('STALLED', `no byte was sent for ${Math.round(standsMs)} ms`);
    return true;
  }

  #fail(code: string, reason: string): void {
    if (this.#state === 'sent' || this.#over) return;
    const { sentBytes, remainingBytes } = this.status;
    this.#log.warn(
      { migration: this.#order.migration, code, reason, sentBytes, remainingBytes },
      'the memory copy is given up',
    );
    this.#state = 'failed';
    this.#failure = { code, reason };
  }
}
