/** Merges counts per minute into round steps of time. */

const MINUTES = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2 * 1440, 7 * 1440, 28 * 1440];
const MINUTE_MS = 60_000;

/** Counts in steps of equal length: one list for each policy. */
export interface Bins {
  /** The beginning of the first step, a multiple of the step. */
  readonly fromMs: number;
  readonly stepMs: number;
  readonly counts: readonly (readonly number[])[];
}

/**
 * @param lists counts in each minute from `fromMs` on, one list for each policy
 * @param most the number of steps between `fromMs` and `toMs`; the last step also counts the moves that ended after `toMs`
 */
export function binnedMoves(lists: readonly (readonly number[])[], fromMs: number, toMs: number, most: number): Bins {
  const minutes = (toMs - fromMs) / MINUTE_MS;
  const stepMs = (MINUTES.find((step) => minutes / step <= most) ?? MINUTES.at(-1)!) * MINUTE_MS;
  const beginMs = Math.floor(fromMs / stepMs) * stepMs;
  const length = Math.floor((toMs - beginMs) / stepMs) + 1;
  const counts = lists.map((list) => {
    const bins = new Array<number>(length).fill(0);
    for (const [minute, moves] of list.entries()) {
      const bin = Math.floor((fromMs + minute * MINUTE_MS - beginMs) / stepMs);
      bins[Math.min(bin, length - 1)]! += moves;
    }
    return bins;
  });
  return { fromMs: beginMs, stepMs, counts };
}

/** `5 min`, `2 h`, `1 d` */
export function stepWords(stepMs: number): string {
  const minutes = stepMs / MINUTE_MS;
  if (minutes < 60) return `${minutes} min`;
  return minutes < 1440 ? `${minutes / 60} h` : `${minutes / 1440} d`;
}
