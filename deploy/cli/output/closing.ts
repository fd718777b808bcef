/** The closing table of a run. */

import { lossWords, placeHint, samplingWords } from '#services/replay/traces/words.ts';
import { bytes, duration, instant, percent } from '#shared/format.ts';
import type { Spread, Summary } from './summary.ts';
import { table } from './table.ts';

/** The summary as two tables: the final state of each site, and the run as a whole. */
export function closingTable(summary: Summary): string {
  const sites = table(
    [
      { head: 'site' },
      { head: 'VMs at first', align: 'right' },
      { head: 'arrived', align: 'right' },
      { head: 'left', align: 'right' },
      { head: 'VMs at end', align: 'right' },
    ],
    summary.sites.map(({ site, vmsAtFirst, arrived, left, vmsAtEnd }) => [
      site,
      ...[vmsAtFirst, arrived, left, vmsAtEnd].map(String),
    ]),
  );
  return `\n${sites}\n${table([{ head: 'in all' }, { head: '' }], totals(summary))}`;
}

function totals(summary: Summary): [string, string][] {
  const { locations, moves, predictionError, trace } = summary;
  const rows: [string, string][] = [
    ['time', `${instant(summary.fromMs)}, ${duration(summary.toMs - summary.fromMs)}`],
    ['locations', `${locations.given}`],
    ['of them quiet', locations.quietShare === null ? 'none counted' : percent(locations.quietShare)],
    ['implausible', listed(locations.implausible)],
    ['repeats dropped', `${locations.repeats}`],
    ['of users without a VM', `${locations.unattached}`],
    ['moves', `${moves.ordered}: ${outcomes(moves)}`],
    ['pause', inWords(summary.pauseMs, duration)],
    ['interruption', inWords(summary.interruptionMs, duration)],
    // The hypervisor's own figure is too small. It stands beside the others, so that a reader who knows it sees the difference.
    ...someWords("clients' gaps", summary.clientGapMs),
    ...someWords("hypervisor's downtime", summary.hypervisorDowntimeMs),
    ['duration', inWords(summary.durationMs, duration)],
    ['worse than planned', listed(summary.degraded)],
    ['data moved', bytes(summary.movedBytes)],
    ['duration off prediction', inWords(predictionError.duration, percent)],
    ['interruption off prediction', inWords(predictionError.interruption, percent)],
  ];
  if (trace !== undefined) {
    rows.push(['rows of the trace', `${trace.rows} (${trace.format})${lossWords(trace)}`]);
    rows.push(['its positions', samplingWords(trace)]);
    const hint = placeHint(locations.implausible, locations.given);
    if (hint) rows.push(['', hint]);
    if (isUnordered(summary)) rows.push(['', 'most rows come too late to count; sort the trace by time']);
  }
  return rows;
}

/** Detects a trace that is sorted by user instead of time: all positions but those of the first user are too old. */
function isUnordered({ locations: { given, implausible } }: Summary): boolean {
  return (implausible.stale ?? 0) + (implausible['out-of-order'] ?? 0) > given / 2;
}

function outcomes({ completed, failed, cancelled, underWay }: Summary['moves']): string {
  return `${completed} completed, ${failed} failed, ${cancelled} cancelled, ${underWay} under way`;
}

function inWords(spread: Spread | null, format: (value: number) => string): string {
  if (spread === null) return 'no move was completed';
  return `p50 ${format(spread.p50)}, p95 ${format(spread.p95)}, max ${format(spread.max)}`;
}

function someWords(name: string, spread: Spread | null): [string, string][] {
  return spread === null ? [] : [[name, inWords(spread, duration)]];
}

function listed(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts).filter(([, n]) => n > 0);
  if (entries.length === 0) return '0';
  return entries
    .sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
    .map(([name, n]) => `${n} ${name}`)
    .join(', ');
}
