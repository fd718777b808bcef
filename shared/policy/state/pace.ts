/**
 * Whether a user is on the way or has come to rest: who travels leaves again soon, who rests stays. Told from how far the
 * user got since some time ago, because positions scatter too much to say it of two that follow each other at once.
 */
import { lonScale, nearKm2 } from '../../geo/distance.ts';

/** From this speed on a user travels: above walking pace. */
const TRAVEL_MPS = 2;
/** Assumed of who has not travelled yet: traffic in a city. */
const USUAL_MPS = 10;
/** Weight of the newest speed. */
const NEWEST_WEIGHT = 0.2;
/** Positions closer in time than this are not compared. */
const COMPARED_MS = 20_000;

/** What a user's pace is told from. JSON. */
export interface Pace {
  travelling: boolean;
  /** At which the user travels, or did last; smoothed. */
  speedMps: number;
  /** Since when at the latest the user has rested, after having travelled; -1: travels, or has never. */
  restingSinceMs: number;
  /** The position that the next one is compared with; -1: none yet. */
  atMs: number;
  lat: number;
  lon: number;
}

/** Of a user nothing is known of. */
export function newPace(): Pace {
  return { travelling: false, speedMps: USUAL_MPS, restingSinceMs: -1, atMs: -1, lat: 0, lon: 0 };
}

/** Takes a position that counts. True: who rested travels now, or the other way round. */
export function notePace(
  pace: Pace,
  { atMs, lat, lon }: { readonly atMs: number; readonly lat: number; readonly lon: number },
): boolean {
  const passedMs = atMs - pace.atMs;
  if (pace.atMs >= 0 && passedMs < COMPARED_MS) return false;
  const before = pace.travelling;
  if (pace.atMs >= 0) {
    const mps = (Math.sqrt(nearKm2(pace.lat, pace.lon, lonScale(lat), lat, lon)) * 1_000_000) / passedMs;
    pace.travelling = mps >= TRAVEL_MPS;
    if (pace.travelling !== before) pace.restingSinceMs = before ? pace.atMs : -1;
    if (pace.travelling) pace.speedMps += NEWEST_WEIGHT * (mps - pace.speedMps);
  }
  pace.atMs = atMs;
  pace.lat = lat;
  pace.lon = lon;
  return pace.travelling !== before;
}
