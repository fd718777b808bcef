/** The policy with whose cost a report compares the costs of all others. */
import { estimate } from '../confidence.ts';
import type { Comparison } from '../simulate.ts';

/** The costs of all policies, and the one that they are compared with. */
export interface Yardstick {
  /** The mean cost of each policy over the seeds, in user-milliseconds. */
  readonly costs: readonly number[];
  /** Half widths of the 95 % confidence intervals; undefined if there is one seed. */
  readonly halfWidths: readonly (number | undefined)[];
  /** Index of the yardstick: the optimum if it was compared, else the cheapest policy. */
  readonly base: number;
  /** Index of the cheapest policy, apart from lower bounds. */
  readonly least: number;
  /** True: the yardstick is the optimum, and there are other policies. */
  readonly ofOptimum: boolean;
}

export function yardstickOf({ runs, seeds }: Comparison): Yardstick {
  const groups = Array.from({ length: runs.length / seeds.length }, (_, i) =>
    runs.slice(i * seeds.length, (i + 1) * seeds.length),
  );
  const estimates = groups.map((group) => estimate(group.map(({ cost }) => cost.totalUserMs)));
  const costs = estimates.map(({ mean }) => mean);
  const optimum = groups.findIndex(([run]) => run!.policy === 'optimum');
  const all = [...groups.keys()];
  const candidates = all.filter((i) => !groups[i]![0]!.isBound);
  const least = (candidates.length === 0 ? all : candidates).reduce((a, b) => (costs[b]! < costs[a]! ? b : a));
  return {
    costs,
    halfWidths: estimates.map(({ halfWidth }) => (seeds.length > 1 ? halfWidth : undefined)),
    base: optimum === -1 ? least : optimum,
    least,
    ofOptimum: optimum !== -1 && groups.length > 1,
  };
}
