/**
 * Positions at a steady interval out of those that were recorded at an unsteady one.
 *
 * A user's positions are a session up to a silence of more than the gap; it begins with the position that was recorded,
 * and has one every so often from there on, on the straight line (in degrees) between the two recorded around it. What lies
 * between its last position and its last recorded one is left out, and nothing is made up within a silence. A position that says
 * that its user arrived or left goes through as it is, and ends the session.
 */
import TinyQueue from 'tinyqueue';
import { positionFault } from '#shared/geo/plausibility.ts';
import type { Fix } from './fix.ts';

export interface Sampling {
  /** How often. */
  readonly everyMs: number;
  /** The longest silence that is bridged. */
  readonly gapMs: number;
}

/** What became of the positions; complete when they have been read to their end. */
export interface SamplingReport extends Sampling {
  /** Users' appearances: of each one, and one more for each silence that was too long. */
  sessions: number;
  /** Positions that came out. */
  positions: number;
}

interface Track {
  /** The last that was recorded. */
  last: Fix;
  /** When the next position is due. */
  nextMs: number;
}

const BATCH = 4096;

/**
 * Steady positions, by time where the recorded ones are. Positions that are no place, and those that come too late for
 * their user, go through as they are: the plausibility filter counts them. Holds the positions of the last `gapMs`.
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
  /** Those up to an instant before which no more can come. */
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

/** Puts what the next recorded position of a user gives rise to. */
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

/** True of a position that says that its user arrived or left: nothing is made up after it. */
function saysEvent({ presence }: Fix): boolean {
  return presence === 'arrived' || presence === 'left';
}

/** Where somebody was at an instant between two positions, if they went straight and steadily. */
export function between(a: Fix, b: Fix, atMs: number): Fix {
  const share = (atMs - a.atMs) / (b.atMs - a.atMs);
  // The shorter way round, also across the date line.
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
