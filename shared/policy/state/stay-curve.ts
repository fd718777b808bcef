/**
 * The survival curve of a stay: how likely it is that the users are still there after so long. Durations fall into bins that widen by
 * √2 each, because a minute matters to a short stay and not to a long one. Within a bin every end is equally likely.
 */

import { STAY_BINS } from '../../events/bounds.ts';

/** The end of the first bin, in ms. */
const FIRST_MS = 5000;
const BINS_PER_DOUBLING = 2;
/** Number of bins. The last one begins at 11.4 hours; no decision asks beyond it. */
export const BINS = STAY_BINS;

/** The beginning of each bin, in ms, and the end of the last one. */
const EDGES_MS = Float64Array.from({ length: BINS + 1 }, (_, bin) =>
  bin === 0 ? 0 : Math.round(FIRST_MS * 2 ** ((bin - 1) / BINS_PER_DOUBLING)),
);

/**
 * The share of stays that end within a bin where nothing else is known: then a stay goes on for as long again with probability 1/2,
 * however long it has lasted.
 */
export const UNKNOWN_HAZARD = 1 - 2 ** (-1 / BINS_PER_DOUBLING);

/** How far ahead a gain counts, in ms. A gain that takes longer to pay for its move is not pursued. */
export const HORIZON_MS = 3_600_000;

/** The bin of a duration in ms. */
export function binOf(durationMs: number): number {
  let bin = 0;
  while (bin < BINS - 1 && durationMs >= EDGES_MS[bin + 1]!) bin++;
  return bin;
}

/** The duration in ms that a share of the stays exceed, of so many stays in each bin; within a bin as if they were spread evenly. */
export function exceededMs(counts: ArrayLike<number>, share: number): number {
  let total = 0;
  for (let bin = 0; bin < BINS; bin++) total += counts[bin]!;
  let left = total * share;
  for (let bin = BINS - 1; bin >= 0; bin--) {
    const here = counts[bin]!;
    if (here > 0 && here >= left) return EDGES_MS[bin + 1]! - (left / here) * (EDGES_MS[bin + 1]! - EDGES_MS[bin]!);
    left -= here;
  }
  return 0;
}

/** The rest of a stay that has lasted for some time. One object is reused, because each evaluation asks. */
export class StayCurve {
  /** By bin: the probability that a stay which has lasted until the bin ends within it. Set these before `begin`. */
  readonly hazards = new Float64Array(BINS);
  /** By edge: the probability of lasting until then, given that the stay has lasted until now. */
  readonly #lasts = new Float64Array(BINS + 1);
  /** By edge: the time in ms that is expected to be stayed after it, within the horizon. */
  readonly #after = new Float64Array(BINS + 1);
  #beenMs = 0;
  #bin = 0;
  #endMs = 0;
  #lastBin = 0;

  /** Considers a stay that has lasted for so many ms. */
  begin(lastedMs: number): void {
    // However long it has lasted: in the last bin all stays are taken to be as those that have just come to it.
    const beenMs = Math.min(lastedMs, EDGES_MS[BINS - 1]!);
    const bin = binOf(beenMs);
    this.#beenMs = beenMs;
    this.#bin = bin;
    this.#endMs = beenMs + HORIZON_MS;
    const within = (beenMs - EDGES_MS[bin]!) / (EDGES_MS[bin + 1]! - EDGES_MS[bin]!);
    this.#lasts[bin] = 1 / (1 - this.hazards[bin]! * within);
    let last = bin;
    for (let b = bin; b < BINS; b++) {
      this.#lasts[b + 1] = this.#lasts[b]! * (1 - this.hazards[b]!);
      last = b;
      if (EDGES_MS[b + 1]! >= this.#endMs) break;
    }
    this.#lastBin = last;
    this.#after[last + 1] = 0;
    for (let b = last; b > bin; b--) this.#after[b] = this.#expectedIn(b, EDGES_MS[b]!) + this.#after[b + 1]!;
  }

  /** The time in ms that the users are expected to stay after a delay from now, within the horizon. */
  expectedMs(delayMs: number): number {
    const atMs = this.#beenMs + delayMs;
    if (atMs >= this.#endMs) return 0;
    let bin = this.#bin;
    while (bin < this.#lastBin && atMs >= EDGES_MS[bin + 1]!) bin++;
    return this.#expectedFrom(bin, atMs);
  }

  /**
   * When to order a move: the delay from now, in ms, after which the expected gain exceeds the expected cost by most. To wait has its
   * price, the gain that is lost; and its worth: stays that end meanwhile cost nothing. Infinity: no delay makes the move pay.
   * @param paybackMs the time that the users have to stay after the move to make it worth its cost: cost ÷ gain
   * @param durationMs duration of the move; the gain begins after it
   * @param margin the expected gain has to be so many times the cost when the move is ordered
   */
  bestDelayMs(paybackMs: number, durationMs: number, margin: number): number {
    let best = 0;
    let delayMs = Number.POSITIVE_INFINITY;
    let later = this.#bin;
    for (let bin = this.#bin; bin <= this.#lastBin; bin++) {
      // The edges, and the middle of each bin between them.
      for (let half = 0; half < 2; half++) {
        const edgeMs = half === 0 ? EDGES_MS[bin]! : (EDGES_MS[bin]! + EDGES_MS[bin + 1]!) / 2;
        const atMs = Math.max(edgeMs, this.#beenMs);
        if (half === 1 && edgeMs <= this.#beenMs) continue;
        const fromMs = atMs + durationMs;
        if (fromMs >= this.#endMs) return delayMs;
        while (later < this.#lastBin && fromMs >= EDGES_MS[later + 1]!) later++;
        const gainMs = this.#expectedFrom(later, fromMs);
        const costMs = paybackMs * this.#lastsUntil(bin, atMs);
        if (gainMs - costMs <= best || gainMs < margin * costMs) continue;
        best = gainMs - costMs;
        delayMs = atMs - this.#beenMs;
      }
    }
    return delayMs;
  }

  #lastsUntil(bin: number, atMs: number): number {
    const share = (atMs - EDGES_MS[bin]!) / (EDGES_MS[bin + 1]! - EDGES_MS[bin]!);
    return this.#lasts[bin]! + (this.#lasts[bin + 1]! - this.#lasts[bin]!) * share;
  }

  /** The time expected to be stayed from an instant in a bin to the end of the bin. */
  #expectedIn(bin: number, fromMs: number): number {
    const untilMs = Math.min(EDGES_MS[bin + 1]!, this.#endMs);
    return ((untilMs - fromMs) * (this.#lastsUntil(bin, fromMs) + this.#lastsUntil(bin, untilMs))) / 2;
  }

  #expectedFrom(bin: number, fromMs: number): number {
    return this.#expectedIn(bin, fromMs) + this.#after[bin + 1]!;
  }
}
