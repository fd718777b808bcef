/** What policies came to, side by side, for people. */

import { bytes, digits, duration, percent } from '#shared/format.ts';
import type { Estimate } from '#simulations/confidence.ts';
import type { RunResult } from '#simulations/engine.ts';
import type { ByFigure, Figure } from '#simulations/figures.ts';
import type { Statistics } from '#simulations/seeds.ts';
import { table } from './table.ts';

/** One column a run. */
export function comparisonTable(runs: readonly RunResult[]): string {
  const columns = [{ head: '' }, ...runs.map(({ policy }) => ({ head: policy, align: 'right' as const }))];
  return table(columns, comparisonRows(runs));
}

/** A row for each figure: its name, two blanks before it where it is a part of the one above, and a cell for each run. */
export function comparisonRows(runs: readonly RunResult[]): (readonly [string, ...string[]])[] {
  const row = (head: string, cell: (run: RunResult) => string) => [head, ...runs.map(cell)] as const;
  // A bound comes from no moves that were carried out.
  const carriedOut = (head: string, cell: (run: RunResult) => string) =>
    row(head, (run) => (run.isBound ? '-' : cell(run)));
  const isCompared = runs.some(({ cost }) => cost.timesOptimum !== undefined);
  return [
    row('cost, user-seconds', ({ cost }) => seconds(cost.totalUserMs)),
    ...(isCompared ? [row('  ÷ optimum', ({ cost }) => cost.timesOptimum?.toFixed(3) ?? '-')] : []),
    row('  of serving', ({ cost }) => seconds(cost.servingUserMs)),
    row('  of moving', ({ cost }) => seconds(cost.movingUserMs)),
    row('mean RTT above the target', ({ cost }) => `${cost.meanExcessRttMs.toFixed(3)} ms`),
    row('moves completed', ({ migrations }) => String(migrations.completed)),
    carriedOut('  cancelled, failed', ({ migrations: m }) => `${m.cancelled}, ${sum(m.failed)}`),
    carriedOut('  back within 5 minutes', ({ migrations: m }) => percent(m.completed ? m.pingPong / m.completed : 0)),
    carriedOut('duration, p50 / p95', ({ migrations: { durationMs: d } }) => `${duration(d.p50)} / ${duration(d.p95)}`),
    carriedOut('pause, p50 / p95', ({ migrations: { pauseMs: p } }) => `${duration(p.p50)} / ${duration(p.p95)}`),
    carriedOut(
      'interruption, p50 / p95',
      ({ migrations: m }) => `${duration(m.interruptionMs.p50)} / ${duration(m.interruptionMs.p95)}`,
    ),
    carriedOut('data moved', ({ migrations }) => bytes(migrations.bytes)),
    row('locations that counted', ({ locations }) => String((locations.quiet ?? 0) + (locations.looked ?? 0))),
    ...Object.keys(refusedLocations(runs)).map((code) =>
      row(`  ${code}`, ({ locations }) => String(locations[code] ?? 0)),
    ),
  ];
}

/** What is shown of several seeds, and how. */
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

/** Means over the seeds, one column a policy; below them what each policy has more than the first. */
export function seedsTable({ policies, differences }: Statistics): string {
  const means = estimatesTable(
    'mean over the seeds ± 95 % confidence',
    policies.map(({ policy, figures }) => [policy, figures]),
  );
  if (differences.length === 0) return means;
  const { minus } = differences[0]!;
  const more = estimatesTable(
    `more than ${minus}, seed by seed`,
    differences.map(({ policy, figures }) => [policy, figures]),
  );
  return `${means}\n${more}`;
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

function seconds(ms: number): string {
  return digits(ms / 1000);
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

/** What did not count in any of the runs, by why. */
function refusedLocations(runs: readonly RunResult[]): Record<string, number> {
  const { quiet: _, looked: __, ...refused } = Object.assign({}, ...runs.map(({ locations }) => locations));
  return refused;
}
