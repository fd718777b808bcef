import type { PlacementRule, RuleInput } from './rule.ts';

interface Work {
  atMs: number;
  /** By the name of the site: the least that it would have cost to be there now, less that of the cheapest one. */
  userMs: Record<string, number>;
  /** By the name of the site: what serving from there cost at the last look, in user-milliseconds a second. */
  serving: Record<string, number>;
}

/**
 * Goes where the cheapest way in hindsight, plus the way there, is least: w(k) = the least that having served everything
 * so far and being at k now would have cost (A. Borodin, N. Linial, M. Saks, Journal of the ACM 39(4), 1992). Sites that are
 * not candidates are forgotten: they count as reached by moving there when they are candidates again.
 */
export const workFunction: PlacementRule<Work> = {
  name: 'work-function',
  begin: ({ nowMs, sites }) => ({ atMs: nowMs, userMs: { [sites[0]!.id]: 0 }, serving: {} }),
  choose(view, work) {
    const { sites, serving, nowMs } = view;
    const passedS = (nowMs - work.atMs) / 1000;
    const values = sites.map(({ id }, i) => {
      // The home is remembered, but for one that an operator chose.
      const known = work.userMs[id] ?? (i === 0 ? 0 : Number.POSITIVE_INFINITY);
      return known + passedS * (work.serving[id] ?? 0);
    });
    const reached = byMoving(view, values);
    let chosen = 0;
    let least = Number.POSITIVE_INFINITY;
    let lowest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < sites.length; i++) {
      lowest = Math.min(lowest, reached[i]!);
      // Where one would rather have come from remoteMoves one should not go.
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

/** What each site comes to where moving there from another one is cheaper. */
function byMoving(view: RuleInput, values: readonly number[]): number[] {
  return values.map((value, to) => {
    let least = value;
    for (let from = 0; from < values.length; from++) {
      if (values[from]! < least) least = Math.min(least, values[from]! + view.moveCostUserMs(from, to));
    }
    return least;
  });
}
