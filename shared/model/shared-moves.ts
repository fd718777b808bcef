/**
 * Predicts moves that share the uplinks of sites: the fluid model run forward. Each move goes through its steps as
 * `predictMove` (`move-model.ts`) has them; while several moves send at once, each link is shared fairly (`sharing.ts`). The rates
 * change only when a move begins or ends to send, so there are no ticks. The simulated hypervisor works by the same rules.
 */
import { LONGEST_MOVE_MS, MAX_SENT_BYTES, within } from '../events/bounds.ts';
import type { VmSpec } from '../events/index.ts';
import { aggregateBps, leadMs, type MoveModel, type PredictedMove } from './move-model.ts';
import { afterRound, dirtiedBytes } from './pre-copy.ts';
import { maxMinShares } from './sharing.ts';

/** The progress of the copy of a move, by its last progress event. JSON. */
export interface CopyProgress {
  /** When that was, in ms since the epoch. */
  readonly atMs: number;
  readonly phase: 'disk' | 'memory';
  /** Number of completed rounds of pre-copy. */
  readonly round: number;
  /** The bytes that the copy under way has still to send. */
  readonly remainingBytes: number;
  /** Bytes a second. */
  readonly rateBps: number;
  /** The first event of the same phase and round: when it came, and what remained then. */
  readonly sinceMs: number;
  readonly roundBytes: number;
}

/** A move among others. */
export interface SharedMove {
  readonly spec: VmSpec;
  /** Round trip between the two sites. */
  readonly rttMs: number;
  /** For each of its paths the links on the way, as indices of the rates. */
  readonly paths: readonly (readonly number[])[];
  /** When it was ordered, in ms since the epoch. It begins at once. */
  readonly orderedAtMs: number;
  /** Null: nothing is known yet but the order. */
  readonly progress: CopyProgress | null;
}

/** The prediction of one of them. Its figures count from the order; `bytes` and `rounds` from the progress, where there is one. */
export interface SharedForecast extends PredictedMove {
  /** When its last byte is sent, in ms since the epoch: from then on its links are free. */
  readonly copyEndMs: number;
}

/**
 * Predicts moves that are under way together.
 * @param linkRatesBps what each link carries, in bytes a second
 * @returns the forecasts, in the order of `moves`
 */
export function predictTogether(
  model: MoveModel,
  linkRatesBps: readonly number[],
  moves: readonly SharedMove[],
): SharedForecast[] {
  // Times count from the first event: with those since the epoch, rounding would lose fractions of a millisecond.
  const originMs = Math.min(...moves.map(({ orderedAtMs, progress }) => progress?.atMs ?? orderedAtMs));
  const courses = moves.map((move) => new Course(move, model, originMs));
  const links = new SharedLinks(model, linkRatesBps, courses);
  const dueMs = new Float64Array(courses.length);
  for (let nowMs = 0; ; ) {
    links.share();
    let nextMs = Number.POSITIVE_INFINITY;
    courses.forEach((course, i) => {
      dueMs[i] = course.dueMs(nowMs);
      nextMs = Math.min(nextMs, dueMs[i]!);
    });
    // Nothing is due any more: all have ended, or the rest would take longer than anything may.
    if (!(nextMs <= LONGEST_MOVE_MS)) break;
    courses.forEach((course, i) => {
      if (dueMs[i]! <= nextMs) course.goOn(nextMs);
      else course.send(nextMs - nowMs);
    });
    nowMs = nextMs;
  }
  return courses.map((course) => course.forecast());
}

/** The links, and the rates of the moves that send over them. */
class SharedLinks {
  readonly #model: MoveModel;
  readonly #linkRatesBps: readonly number[];
  readonly #courses: readonly Course[];
  /** The rates by who sends. Between its rounds a move waits for half a round trip, so the same ones send again and again. */
  readonly #known = new Map<string, readonly number[]>();
  #sending = '';

  constructor(model: MoveModel, linkRatesBps: readonly number[], courses: readonly Course[]) {
    this.#model = model;
    this.#linkRatesBps = linkRatesBps;
    this.#courses = courses;
  }

  /** Gives each move that sends its rate. */
  share(): void {
    let key = '';
    for (const { sends } of this.#courses) key += sends ? '1' : '0';
    if (key === this.#sending) return;
    this.#sending = key;
    const senders = this.#courses.filter(({ sends }) => sends);
    let ratesBps = this.#known.get(key);
    if (ratesBps === undefined) {
      ratesBps = this.#ratesOf(senders);
      this.#known.set(key, ratesBps);
    }
    senders.forEach((course, i) => {
      course.rateBps = ratesBps[i]!;
    });
  }

  #ratesOf(senders: readonly Course[]): number[] {
    const shares = maxMinShares(
      this.#linkRatesBps,
      senders.flatMap(({ move }) => move.paths),
    );
    let next = 0;
    return senders.map(({ move }) => {
      const own = shares.slice(next, next + move.paths.length);
      next += own.length;
      return aggregateBps(
        this.#model,
        own.filter((shareBps) => shareBps > 0),
      );
    });
  }
}

type Step = 'prepare' | 'disk' | 'round' | 'stop' | 'post-copy' | 'resume' | 'ended';

/** The way of one move through its steps. Times in ms since the origin. */
class Course {
  readonly move: SharedMove;
  rateBps = 0;
  readonly #model: MoveModel;
  readonly #originMs: number;
  #step: Step = 'prepare';
  /** End of the present wait; Infinity while it sends. */
  #untilMs: number;
  #leftBytes = 0;
  #bytes = 0;
  #rounds: number;
  #roundSinceMs: number;
  #roundBytes: number;
  #stoppedAtMs = 0;
  #pauseMs = LONGEST_MOVE_MS;
  #copyEndMs = LONGEST_MOVE_MS;
  #endMs = LONGEST_MOVE_MS;
  #converges = true;

  constructor(move: SharedMove, model: MoveModel, originMs: number) {
    const { orderedAtMs, progress, paths, rttMs } = move;
    this.move = move;
    this.#model = model;
    this.#originMs = originMs;
    this.#untilMs =
      progress === null ? orderedAtMs - originMs + leadMs(model, paths.length, rttMs) : progress.atMs - originMs;
    this.#rounds = progress?.round ?? 0;
    this.#roundSinceMs = progress === null ? 0 : progress.sinceMs - originMs;
    this.#roundBytes = progress?.roundBytes ?? 0;
  }

  get sends(): boolean {
    return this.#step !== 'ended' && this.#untilMs === Number.POSITIVE_INFINITY;
  }

  /** When its present wait or copy ends; Infinity: never. */
  dueMs(nowMs: number): number {
    return this.sends ? nowMs + (this.#leftBytes / this.rateBps) * 1000 : this.#untilMs;
  }

  /** Sends for `ms`, where it sends. */
  send(ms: number): void {
    if (this.sends) this.#leftBytes -= (this.rateBps * ms) / 1000;
  }

  /** Begins what follows its present wait or copy. */
  goOn(nowMs: number): void {
    const { spec, rttMs, progress } = this.move;
    if (this.sends) {
      this.#sent(nowMs);
      return;
    }
    switch (this.#step) {
      case 'prepare':
        if (progress !== null) this.#resume(progress, nowMs);
        else if (spec.diskBytes > 0) this.#copy('disk', spec.diskBytes, nowMs);
        else this.#beginRound(spec.ramBytes, nowMs);
        return;
      case 'disk':
        this.#beginRound(spec.ramBytes, nowMs);
        return;
      case 'round':
        this.#endRound(nowMs);
        return;
      case 'post-copy':
        this.#stoppedAtMs = nowMs - rttMs / 2;
        this.#wait('resume', nowMs + this.#model.resumeMs);
        return;
      case 'stop':
        this.#wait('resume', nowMs + this.#model.resumeMs);
        return;
      case 'resume':
        this.#pauseMs = nowMs - this.#stoppedAtMs;
        this.#endMs = nowMs + this.#model.releaseMs;
        this.#wait('ended', Number.POSITIVE_INFINITY);
    }
  }

  forecast(): SharedForecast {
    const { orderedAtMs, rttMs } = this.move;
    const durationMs = this.#originMs + this.#endMs - orderedAtMs;
    return {
      durationMs: within(durationMs, LONGEST_MOVE_MS),
      interruptionMs: within(this.#pauseMs + rttMs, LONGEST_MOVE_MS),
      bytes: within(this.#bytes, MAX_SENT_BYTES),
      rounds: this.#rounds,
      converges: this.#converges && durationMs < LONGEST_MOVE_MS,
      copyEndMs: this.#originMs + this.#copyEndMs,
    };
  }

  #wait(step: Step, untilMs: number): void {
    this.#step = step;
    this.#untilMs = untilMs;
  }

  #copy(step: Step, bytes: number, nowMs: number): void {
    this.#step = step;
    this.#untilMs = Number.POSITIVE_INFINITY;
    this.#leftBytes = bytes;
    this.#bytes += bytes;
    if (bytes === 0) this.#sent(nowMs);
  }

  /** The last byte of a copy is sent; it arrives after half a round trip. */
  #sent(nowMs: number): void {
    this.#untilMs = nowMs + this.move.rttMs / 2;
    if (this.#step === 'stop' || this.#step === 'post-copy') this.#copyEndMs = nowMs;
  }

  /** Goes on from where the last progress event found it. */
  #resume({ phase, round, remainingBytes, rateBps, sinceMs, atMs }: CopyProgress, nowMs: number): void {
    if (phase === 'disk') this.#copy('disk', remainingBytes, nowMs);
    // The first event of a round ends the one before.
    else if (sinceMs === atMs && round > 0) this.#afterRound(remainingBytes, rateBps, nowMs);
    else this.#copy('round', remainingBytes, nowMs);
  }

  #beginRound(bytes: number, nowMs: number): void {
    this.#roundSinceMs = nowMs;
    this.#roundBytes = bytes;
    this.#copy('round', bytes, nowMs);
  }

  #endRound(nowMs: number): void {
    const roundMs = nowMs - this.#roundSinceMs;
    this.#rounds++;
    const pendingBytes = dirtiedBytes(this.move.spec, roundMs, this.#model.dirtying);
    this.#afterRound(pendingBytes, (this.#roundBytes / roundMs) * 1000, nowMs);
  }

  #afterRound(pendingBytes: number, measuredBps: number, nowMs: number): void {
    const verdict = afterRound(this.move.spec, this.#model, this.#rounds, pendingBytes, measuredBps);
    if (verdict === 'again') {
      this.#beginRound(pendingBytes, nowMs);
      return;
    }
    if (verdict === 'give-up') this.#converges = false;
    this.#stoppedAtMs = nowMs;
    this.#copy(verdict === 'post-copy' ? 'post-copy' : 'stop', pendingBytes, nowMs);
  }
}
