/** The table of compared policies, as text. The terminal and the report show the same rows. */
import { bytes, digits, duration, percent } from '#shared/format.ts';
import type { RunResult } from '../engine.ts';
import { totalOf } from '../statistics.ts';

/** One row for each figure: its name, then a cell for each run. Two blanks before the name mark a part of the figure above. */
export function comparisonRows(runs: readonly RunResult[]): (readonly [string, ...string[]])[] {
  const row = (head: string, cell: (run: RunResult) => string) => [head, ...runs.map(cell)] as const;
  // A bound has no decisions and no durations of moves.
  const ofRuns = (head: string, cell: (run: RunResult) => string) =>
    row(head, (run) => (run.isBound ? '-' : cell(run)));
  const isCompared = runs.some(({ cost }) => cost.timesOptimum !== undefined);
  return [
    row('cost, user-seconds', ({ cost }) => seconds(cost.totalUserMs)),
    ...(isCompared ? [row('  ÷ optimum', ({ cost }) => cost.timesOptimum?.toFixed(3) ?? '-')] : []),
    row('  of serving', ({ cost }) => seconds(cost.servingUserMs)),
    row('  of moving', ({ cost }) => seconds(cost.movingUserMs)),
    row('mean RTT above the target', ({ cost }) => `${cost.meanExcessRttMs.toFixed(3)} ms`),
    row('moves completed', ({ migrations }) => String(migrations.completed)),
    ofRuns('  cancelled, failed', ({ migrations: m }) => `${m.cancelled}, ${totalOf(m.failed)}`),
    ofRuns('  back within 5 minutes', ({ migrations: m }) => percent(m.completed ? m.pingPong / m.completed : 0)),
    ofRuns('duration, p50 / p95', ({ migrations: { durationMs: d } }) => `${duration(d.p50)} / ${duration(d.p95)}`),
    ofRuns('pause, p50 / p95', ({ migrations: { pauseMs: p } }) => `${duration(p.p50)} / ${duration(p.p95)}`),
    ofRuns(
      'interruption, p50 / p95',
      ({ migrations: m }) => `${duration(m.interruptionMs.p50)} / ${duration(m.interruptionMs.p95)}`,
    ),
    ofRuns('data moved', ({ migrations }) => bytes(migrations.bytes)),
    row('locations that counted', ({ locations }) => String((locations.quiet ?? 0) + (locations.looked ?? 0))),
    ...Object.keys(refusedLocations(runs)).map((code) =>
      row(`  ${code}`, ({ locations }) => String(locations[code] ?? 0)),
    ),
  ];
}

/** Milliseconds as seconds, without the unit. */
export function seconds(ms: number): string {
  return digits(ms / 1000);
}

/** The outcomes of all runs under which a location did not count. The values are those of one of the runs. */
function refusedLocations(runs: readonly RunResult[]): Record<string, number> {
  const { quiet: _, looked: __, ...refused } = Object.assign({}, ...runs.map(({ locations }) => locations));
  return refused;
}
