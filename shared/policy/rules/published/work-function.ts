import type { PlacementRule, RuleInput } from './rule.ts';

interface Work {
  /** Time of the last evaluation. */
  atMs: number;
  /** The work function by site, in user-milliseconds, less its minimum over all sites. */
  userMs: Record<string, number>;
  /** The cost of serving by site at the last evaluation, in user-milliseconds a second. */
  serving: Record<string, number>;
}

/**
 * The work function algorithm (A. Borodin, N. Linial, M. Saks, Journal of the ACM 39(4), 1992). The work function w(k) is the least
 * cost, in hindsight, of having served all requests so far and being at site k now. The algorithm chooses the site k with the least
 * w(k) + price of the move to k. The values of sites that are no longer candidates are dropped. A site that becomes a candidate
 * again gets its value from a move there.
 */
export const workFunction: PlacementRule<Work> = {
  name: 'work-function',
  begin: ({ nowMs, sites }) => ({ atMs: nowMs, userMs: { [sites[0]!.id]: 0 }, serving: {} }),
  choose(view, work) {
    const { sites, serving, nowMs } = view;
    const passedS = (nowMs - work.atMs) / 1000;
    const values = sites.map(({ id }, i) => {
      // Only a home that an operator chose has no value: it begins at 0.
      const known = work.userMs[id] ?? (i === 0 ? 0 : Number.POSITIVE_INFINITY);
      return known + passedS * (work.serving[id] ?? 0);
    });
    const reached = byMoving(view, values);
    let chosen = 0;
    let least = Number.POSITIVE_INFINITY;
    let lowest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < sites.length; i++) {
      lowest = Math.min(lowest, reached[i]!);
      // w(k) is reached by a move from another site, so that other site is the better choice.
      if (reached[i]! < values[i]!) continue;
      const cost = reached[i]! + view.moveCostUserMs(0, i);
      if (cost >= least) continue;
      least = cost;
      chosen = i;
    }
    work.atMs = nowMs;
    work.userMs = {};
    work.serving = {};
    for (let i = 0; i < sites.length; i++) {
      const { id } = sites[i]!;
      work.userMs[id] = reached[i]! - lowest;
      work.serving[id] = serving[i]!;
    }
    return chosen;
  },
};

/** The values of the sites after a possible move: min over all sites j of value(j) + price of the move from j. */
function byMoving(view: RuleInput, values: readonly number[]): number[] {
  return values.map((value, to) => {
    let least = value;
    for (let from = 0; from < values.length; from++) {
      if (values[from]! < least) least = Math.min(least, values[from]! + view.moveCostUserMs(from, to));
    }
    return least;
  });
}
