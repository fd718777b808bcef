/**
 * Makes positions at a steady interval from positions that were recorded at irregular intervals.
 *
 * A session of a user ends at a silence longer than the gap. It begins with a recorded position. From there on it has one position at each
 * interval, on the straight line (in degrees) between the two recorded positions around it. The time after its last interval is omitted,
 * and no position is made up within a silence. A position which reports that its user arrived or left stays as it is, and ends the session.
 */
import TinyQueue from 'tinyqueue';
import { positionFault } from '#shared/geo/plausibility.ts';
import type { Fix } from './fix.ts';

/** The settings of resampling. */
export interface Sampling {
  /** The time between two positions. */
  readonly everyMs: number;
  /** The longest silence within a session. */
  readonly gapMs: number;
}

/** Counts of the result. They are complete when the positions have been read to their end. */
export interface SamplingReport extends Sampling {
  /** The number of sessions: one for each user, and one more after each silence that is too long. */
  sessions: number;
  /** The number of resulting positions. */
  positions: number;
}

interface Track {
  /** The last recorded position. */
  last: Fix;
  /** When the next position is due. */
  nextMs: number;
}

const BATCH = 4096;

/**
 * Yields positions at a steady interval, in the order of time if the recorded ones are. Positions out of range, and positions that are out
 * of order for their user, stay in the result: the plausibility filter counts them. The positions of the last `gapMs` are held in memory.
 */
export async function* resample(
  batches: AsyncIterable<readonly Fix[]>,
  report: SamplingReport,
): AsyncGenerator<readonly Fix[], void, void> {
  const tracks = new Map<string, Track>();
  const waiting = new TinyQueue<{ fix: Fix; order: number }>(
    [],
    (a, b) => a.fix.atMs - b.fix.atMs || a.order - b.order,
  );
  let order = 0;
  const put = (fix: Fix) => waiting.push({ fix, order: order++ });
  /** Yields the waiting positions before an instant. No earlier position can follow. */
  function* due(untilMs: number): Generator<readonly Fix[], void, void> {
    let fixes: Fix[] = [];
    while (waiting.length > 0 && waiting.peek()!.fix.atMs < untilMs) {
      fixes.push(waiting.pop()!.fix);
      report.positions++;
      if (fixes.length < BATCH) continue;
      yield fixes;
      fixes = [];
    }
    if (fixes.length > 0) yield fixes;
  }

  let latestMs = Number.NEGATIVE_INFINITY;
  for await (const batch of batches) {
    for (const fix of batch) {
      latestMs = Math.max(latestMs, fix.atMs);
      follow(tracks, fix, report, put);
    }
    yield* due(latestMs - report.gapMs);
  }
  yield* due(Number.POSITIVE_INFINITY);
}

/** Handles the next recorded position of a user: emits the interpolated positions before it. */
function follow(tracks: Map<string, Track>, fix: Fix, report: SamplingReport, put: (fix: Fix) => void): void {
  const track = tracks.get(fix.user);
  if (positionFault(fix) !== undefined || (track !== undefined && fix.atMs <= track.last.atMs)) {
    put(fix);
    return;
  }
  const isEvent = saysEvent(fix);
  if (track === undefined || saysEvent(track.last) || fix.atMs - track.last.atMs > report.gapMs) {
    tracks.set(fix.user, { last: fix, nextMs: fix.atMs + report.everyMs });
    report.sessions++;
    put(fix);
    return;
  }
  const untilMs = isEvent ? fix.atMs - 1 : fix.atMs;
  for (; track.nextMs <= untilMs; track.nextMs += report.everyMs) put(between(track.last, fix, track.nextMs));
  if (isEvent) put(fix);
  track.last = fix;
}

/** True if the position reports that its user arrived or left. No position is interpolated after it. */
function saysEvent({ presence }: Fix): boolean {
  return presence === 'arrived' || presence === 'left';
}

/** The position of a user at an instant between two fixes, on the straight line and at a constant speed. */
export function between(a: Fix, b: Fix, atMs: number): Fix {
  const share = (atMs - a.atMs) / (b.atMs - a.atMs);
  // The short way round the earth, also across the date line.
  const eastward = ((b.lon - a.lon + 540) % 360) - 180;
  const lon = a.lon + eastward * share;
  return {
    user: a.user,
    atMs,
    lat: a.lat + (b.lat - a.lat) * share,
    lon: lon > 180 ? lon - 360 : lon < -180 ? lon + 360 : lon,
    ...(a.presence && { presence: a.presence }),
  };
}
