/** Users' tracks, held in memory to be put in order: for formats with a file or an element for each user. */
import TinyQueue from 'tinyqueue';
import type { Fix } from './trace.ts';

/** One user's fixes by time: 24 bytes each, where an object takes three times as much and traces have millions. */
export interface Track {
  readonly user: string;
  readonly atMs: Float64Array;
  readonly lat: Float64Array;
  readonly lon: Float64Array;
}

/** @param fixes of one user, in any order; those of the same instant keep theirs */
export function trackOf(user: string, fixes: readonly Fix[]): Track {
  const sorted = fixes.toSorted((a, b) => a.atMs - b.atMs);
  return {
    user,
    atMs: Float64Array.from(sorted, (fix) => fix.atMs),
    lat: Float64Array.from(sorted, (fix) => fix.lat),
    lon: Float64Array.from(sorted, (fix) => fix.lon),
  };
}

const FIXES_PER_BATCH = 4096;

/** The fixes of all tracks by time, and by the order of the tracks where the times are equal. */
export function* mergeByTime(tracks: readonly Track[]): Generator<readonly Fix[], void, void> {
  const heads = tracks.map((track, order) => ({ track, order, at: 0 })).filter(({ track }) => track.atMs.length > 0);
  type Head = (typeof heads)[number];
  const time = ({ track, at }: Head) => track.atMs[at]!;
  const queue = new TinyQueue(heads, (a, b) => time(a) - time(b) || a.order - b.order);

  let fixes: Fix[] = [];
  for (let head = queue.pop(); head !== undefined; head = queue.pop()) {
    const { track, at } = head;
    fixes.push({ user: track.user, atMs: track.atMs[at]!, lat: track.lat[at]!, lon: track.lon[at]! });
    head.at++;
    if (head.at < track.atMs.length) queue.push(head);
    if (fixes.length >= FIXES_PER_BATCH) {
      yield fixes;
      fixes = [];
    }
  }
  if (fixes.length > 0) yield fixes;
}
