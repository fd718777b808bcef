import { counted, duration } from '#shared/format.ts';
import type { TraceReport } from './report.ts';

/** How positions were made from a trace: the options, the defaults among them, and what came of it. */
export function samplingWords({ sampling }: TraceReport): string {
  if (sampling.everyMs === null) return 'as recorded';
  const { everyMs, gapMs, positions, sessions } = sampling;
  const silences = `silences over ${duration(gapMs)} left open`;
  return `every ${duration(everyMs)}, ${silences}: ${counted(positions, 'position')} in ${counted(sessions, 'session')}`;
}

/** What was in a trace besides its positions; empty where there was nothing else. */
export function lossWords({ bad, firstBad, others = 0 }: TraceReport): string {
  const words = [
    ...(bad > 0 ? [`${counted(bad, 'bad row')} skipped, the first: ${firstBad}`] : []),
    ...(others > 0 ? [`${counted(others, 'record')} of other kinds left out`] : []),
  ];
  return words.map((word) => `; ${word}`).join('');
}

/** Said where most of the positions are none: coordinates of a plane, or of another order, look like any other numbers. */
export function placeHint(counts: Readonly<Record<string, number>>, given: number): string | undefined {
  if ((counts['out-of-range'] ?? 0) <= given / 2) return undefined;
  return 'most positions are not on the earth: latitude and longitude in degrees would be right';
}
