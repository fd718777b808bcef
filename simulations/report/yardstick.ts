/** The policy with which a report compares the costs of the others. */
import { estimate } from '../confidence.ts';
import type { Comparison } from '../simulate.ts';

export interface Yardstick {
  /** The cost of each policy, in user-milliseconds; the mean over the seeds. */
  readonly costs: readonly number[];
  /** Half widths of the 95 % confidence intervals, where there are several seeds. */
  readonly halfWidths: readonly (number | undefined)[];
  /** Index of the policy that others are measured by: the optimum where it is among them, else the one that costs least. */
  readonly base: number;
  /** Index of the one that costs least, the optimum left out. */
  readonly least: number;
  readonly ofOptimum: boolean;
}

export function yardstickOf({ runs, seeds }: Comparison): Yardstick {
  const groups = Array.from({ length: runs.length / seeds.length }, (_, i) =>
    runs.slice(i * seeds.length, (i + 1) * seeds.length),
  );
  const estimates = groups.map((group) => estimate(group.map(({ cost }) => cost.totalUserMs)));
  const costs = estimates.map(({ mean }) => mean);
  const optimum = groups.findIndex(([run]) => run!.isBound);
  const candidates = groups.map((_, i) => i).filter((i) => i !== optimum);
  const least = (candidates.length === 0 ? [optimum] : candidates).reduce((a, b) => (costs[b]! < costs[a]! ? b : a));
  return {
    costs,
    halfWidths: estimates.map(({ halfWidth }) => (seeds.length > 1 ? halfWidth : undefined)),
    base: optimum === -1 ? least : optimum,
    least,
    ofOptimum: optimum !== -1 && groups.length > 1,
  };
}
