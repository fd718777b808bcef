/** Counts the decisions and moves of a run, for its result. */
import type { PolicyConfig } from '#shared/config/schema.ts';
import type { Data, Fact, Figures, Prediction } from '#shared/events/index.ts';
import { isEnd } from '#shared/migration/outcome.ts';
import { moveCostUserMs } from '#shared/policy/evaluate/price.ts';
import { Spread } from './spread.ts';
import type { Distribution } from './statistics.ts';

/** A move back within this time counts as ping-pong: the move before it was a mistake. */
const PING_PONG_MS = 5 * 60_000;

/** The figures of all moves of a run. */
export interface MigrationFigures {
  readonly completed: number;
  /** By error code. */
  readonly failed: Record<string, number>;
  readonly cancelled: number;
  /** Durations, pauses and interruptions are those of completed moves. */
  readonly durationMs: Distribution;
  readonly pauseMs: Distribution;
  readonly interruptionMs: Distribution;
  /** The bytes that all moves sent, including those of moves that did not complete. */
  readonly bytes: number;
  /** Completed moves, by kind of degradation. */
  readonly degraded: Record<string, number>;
  /** Measured ÷ predicted, of completed moves that have a prediction. */
  readonly durationError: Distribution;
  readonly interruptionError: Distribution;
  /** Completed moves back to the site that the VM left at most five minutes before. */
  readonly pingPong: number;
}

/** Counts from the facts of a run. */
export class Tally {
  /** The number of decisions, by verdict and reason. */
  readonly decisions: Record<string, number> = {};
  /** The cost of all moves that have ended, in user-milliseconds. */
  movingUserMs = 0;
  readonly #failed: Record<string, number> = {};
  readonly #degraded: Record<string, number> = {};
  readonly #durations = new Spread();
  readonly #pauses = new Spread();
  readonly #interruptions = new Spread();
  readonly #durationErrors = new Spread();
  readonly #interruptionErrors = new Spread();
  /** The predictions of the moves that have not ended. */
  readonly #predicted = new Map<string, Prediction>();
  /** By VM: the origin and the end of its last completed move. */
  readonly #last = new Map<string, { from: string; atMs: number }>();
  readonly #policy: PolicyConfig;
  readonly #weightOf: (vm: string) => number;
  #cancelled = 0;
  #bytes = 0;
  #pingPong = 0;

  /** @param weightOf the sum of the weights of a VM's active users */
  constructor(policy: PolicyConfig, weightOf: (vm: string) => number) {
    this.#policy = policy;
    this.#weightOf = weightOf;
  }

  /** Takes the next fact of the run. */
  readonly observe = (fact: Fact): void => {
    if (fact.type === 'placement.decided.v1') this.#decided(fact.data);
    if (!isEnd(fact)) return;
    if (fact.type === 'migration.completed.v1') this.#completed(fact.data);
    else if (fact.type === 'migration.failed.v1') count(this.#failed, fact.data.code);
    else this.#cancelled++;
    this.#ended(fact.data);
  };

  /** The figures so far. */
  get migrations(): MigrationFigures {
    return {
      completed: this.#durations.count,
      failed: this.#failed,
      cancelled: this.#cancelled,
      durationMs: this.#durations.distribution,
      pauseMs: this.#pauses.distribution,
      interruptionMs: this.#interruptions.distribution,
      bytes: this.#bytes,
      degraded: this.#degraded,
      durationError: this.#durationErrors.distribution,
      interruptionError: this.#interruptionErrors.distribution,
      pingPong: this.#pingPong,
    };
  }

  #decided(data: Data<'placement.decided.v1'>): void {
    count(this.decisions, `${data.verdict} ${data.reason}`);
    if (data.verdict === 'move' && data.prediction) this.#predicted.set(data.decision, data.prediction);
  }

  /** Adds the cost of a move. Moves that failed or were cancelled cost, too. */
  #ended({ migration, vm, figures }: { migration: string; vm: string; figures: Figures }): void {
    this.#predicted.delete(migration);
    this.movingUserMs += moveCostUserMs(this.#policy, this.#weightOf(vm), figures);
    this.#bytes += figures.bytes;
  }

  #completed({ migration, vm, from, to, atMs, figures }: Data<'migration.completed.v1'>): void {
    this.#durations.add(figures.durationMs);
    this.#pauses.add(figures.pauseMs);
    this.#interruptions.add(figures.interruptionMs);
    for (const kind of figures.degraded) count(this.#degraded, kind);
    const before = this.#last.get(vm);
    if (before?.from === to && atMs - before.atMs <= PING_PONG_MS) this.#pingPong++;
    this.#last.set(vm, { from, atMs });
    const prediction = this.#predicted.get(migration);
    if (prediction === undefined) return;
    this.#durationErrors.add(figures.durationMs / prediction.durationMs);
    this.#interruptionErrors.add(figures.interruptionMs / prediction.interruptionMs);
  }
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
