/** Tables for the terminal that compare policies. */
import { digits } from '#shared/format.ts';
import type { Estimate } from '#simulations/confidence.ts';
import type { RunResult } from '#simulations/engine.ts';
import type { ByFigure, Figure } from '#simulations/figures.ts';
import { comparisonRows, seconds } from '#simulations/report/comparison-rows.ts';
import type { Statistics } from '#simulations/seeds.ts';
import { table } from './table.ts';

/** One column for each run. */
export function comparisonTable(runs: readonly RunResult[]): string {
  const columns = [{ head: '' }, ...runs.map(({ policy }) => ({ head: policy, align: 'right' as const }))];
  return table(columns, comparisonRows(runs)) + UNIT;
}

/** Explains the unit of costs, below each table. */
const UNIT = `
1 user-second: a user whose round trip is 1 ms above the target for 1000 seconds, or as much harm by a move.
It is 1000 user-milliseconds, in which JSON and the configuration count.
`;

/** The rows of the table for several seeds, each with its format. */
const ROWS: readonly (readonly [string, Figure, (value: number) => string])[] = [
  ['cost, user-seconds', 'totalUserMs', seconds],
  ['  of serving', 'servingUserMs', seconds],
  ['  of moving', 'movingUserMs', seconds],
  ['mean RTT above the target, ms', 'meanExcessRttMs', (value) => value.toFixed(3)],
  ['moves completed', 'movesCompleted', digits],
  ['  back within 5 minutes', 'movesBackWithin5Min', digits],
  ['duration, p50, s', 'durationP50Ms', seconds],
  ['pause, p50, ms', 'pauseP50Ms', digits],
  ['interruption, p50, ms', 'interruptionP50Ms', digits],
  ['interruption, p95, ms', 'interruptionP95Ms', digits],
  ['data moved, GB', 'movedBytes', (value) => digits(value / 1e9)],
];

/** Means over the seeds, one column a policy; below them the difference of each policy from the first. */
export function seedsTable({ policies, differences }: Statistics): string {
  const means = estimatesTable(
    'mean over the seeds ± 95 % confidence',
    policies.map(({ policy, figures }) => [policy, figures]),
  );
  if (differences.length === 0) return means + UNIT;
  const { minus } = differences[0]!;
  const more = estimatesTable(
    `more than ${minus}, seed by seed`,
    differences.map(({ policy, figures }) => [policy, figures]),
  );
  return `${means}\n${more}${UNIT}`;
}

function estimatesTable(head: string, of: readonly (readonly [string, ByFigure<Estimate>])[]): string {
  const columns = [{ head }, ...of.map(([policy]) => ({ head: policy, align: 'right' as const }))];
  return table(
    columns,
    ROWS.map(([name, figure, text]) => [
      name,
      ...of.map(([, figures]) => `${text(figures[figure].mean)} ± ${text(figures[figure].halfWidth)}`),
    ]),
  );
}
