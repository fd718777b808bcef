/** Statistics over several seeds: means with their confidence, and differences between policies. */
import { type Estimate, estimate } from './confidence.ts';
import type { RunResult } from './engine.ts';
import { type ByFigure, byFigure, FIGURES, type Figure } from './figures.ts';

/** A run, and the seed that its movements were drawn from. */
export interface SeededRun extends RunResult {
  readonly seed: number;
}

/** Over the seeds; ± of 95 % confidence. */
export interface Statistics {
  readonly policies: readonly { readonly policy: string; readonly figures: ByFigure<Estimate> }[];
  /** Of each further policy to the first one, seed by seed: how much more it has of a figure. */
  readonly differences: readonly {
    readonly policy: string;
    readonly minus: string;
    readonly figures: ByFigure<Estimate>;
  }[];
}

/** @param runs policy by policy, each with the same seeds in the same order, two at least */
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
    // The same users go the same ways under both: what they differ by scatters less than either does.
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
