/** Statistics over several seeds: means with confidence intervals, and differences between policies. */
import { type Estimate, estimate } from './confidence.ts';
import type { RunResult } from './engine.ts';
import { type ByFigure, byFigure, FIGURES, type Figure } from './figures.ts';

/** A run, and the seed of its movements. */
export interface SeededRun extends RunResult {
  readonly seed: number;
}

/** Means over the seeds, with 95 % confidence intervals. */
export interface Statistics {
  readonly policies: readonly { readonly policy: string; readonly figures: ByFigure<Estimate> }[];
  /** Each further policy minus the first one: the mean of the differences of each seed. */
  readonly differences: readonly {
    readonly policy: string;
    readonly minus: string;
    readonly figures: ByFigure<Estimate>;
  }[];
}

/** @param runs policy by policy, each with the same seeds in the same order; at least two seeds */
export function statisticsOf(runs: readonly SeededRun[], seeds: number): Statistics {
  const groups = Array.from({ length: runs.length / seeds }, (_, i) => runs.slice(i * seeds, (i + 1) * seeds));
  const samplesOf = (group: readonly SeededRun[], figure: Figure) => group.map(FIGURES[figure]);
  const [first, ...others] = groups as [SeededRun[], ...SeededRun[][]];
  const nameOf = (group: readonly SeededRun[]) => group[0]!.policy;
  return {
    policies: groups.map((group) => ({
      policy: nameOf(group),
      figures: byFigure((figure) => estimate(samplesOf(group, figure))),
    })),
    // In each seed, the same users move in the same way under both policies. So the differences vary less than the figures.
    differences: others.map((group) => ({
      policy: nameOf(group),
      minus: nameOf(first),
      figures: byFigure((figure) => {
        const base = samplesOf(first, figure);
        return estimate(samplesOf(group, figure).map((value, i) => value - base[i]!));
      }),
    })),
  };
}
