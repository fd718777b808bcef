import { counted, duration } from '#shared/format.ts';
import type { TraceReport } from './report.ts';

/** Describes how positions were made from a trace: the settings, including defaults, and the counts of the result. */
export function samplingWords({ sampling }: TraceReport): string {
  if (sampling.everyMs === null) return 'as recorded';
  const { everyMs, gapMs, positions, sessions } = sampling;
  const silences = `silences over ${duration(gapMs)} left open`;
  return `every ${duration(everyMs)}, ${silences}: ${counted(positions, 'position')} in ${counted(sessions, 'session')}`;
}

/** Describes what a trace contained besides positions; empty if there was nothing else. */
export function lossWords({ bad, firstBad, others = 0 }: TraceReport): string {
  const words = [
    ...(bad > 0 ? [`${counted(bad, 'bad row')} skipped, the first: ${firstBad}`] : []),
    ...(others > 0 ? [`${counted(others, 'record')} of other kinds left out`] : []),
  ];
  return words.map((word) => `; ${word}`).join('');
}

/** A hint if most positions are out of range: the numbers may be coordinates of a plane, or in another order. */
export function placeHint(counts: Readonly<Record<string, number>>, given: number): string | undefined {
  if ((counts['out-of-range'] ?? 0) <= given / 2) return undefined;
  return 'most positions are not on the earth; give latitude and longitude in degrees';
}
