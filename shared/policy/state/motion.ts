/**
 * Whether a user is on the way or has come to rest: who travels leaves again soon, who rests stays. Told from how far the
 * user got since some time ago, because positions scatter too much to say it of two that follow each other at once.
 */
import { lonScale, nearKm2 } from '../../geo/distance.ts';

/** From this speed on a user travels: above walking motion. */
const TRAVEL_MPS = 2;
/** Assumed of who has not travelled yet: traffic in a city. */
const USUAL_MPS = 10;
/** Weight of the newest speed. */
const NEWEST_WEIGHT = 0.2;
/** Positions closer in time than this are not compared. */
const COMPARED_MS = 20_000;

/** What a user's motion is told from. JSON. */
export interface Motion {
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
export function newMotion(): Motion {
  return { travelling: false, speedMps: USUAL_MPS, restingSinceMs: -1, atMs: -1, lat: 0, lon: 0 };
}

/** Takes a position that counts. True: who rested travels now, or the other way round. */
export function updateMotion(
  motion: Motion,
  { atMs, lat, lon }: { readonly atMs: number; readonly lat: number; readonly lon: number },
): boolean {
  const passedMs = atMs - motion.atMs;
  if (motion.atMs >= 0 && passedMs < COMPARED_MS) return false;
  const before = motion.travelling;
  if (motion.atMs >= 0) {
    const mps = (Math.sqrt(nearKm2(motion.lat, motion.lon, lonScale(lat), lat, lon)) * 1_000_000) / passedMs;
    motion.travelling = mps >= TRAVEL_MPS;
    if (motion.travelling !== before) motion.restingSinceMs = before ? motion.atMs : -1;
    if (motion.travelling) motion.speedMps += NEWEST_WEIGHT * (mps - motion.speedMps);
  }
  motion.atMs = atMs;
  motion.lat = lat;
  motion.lon = lon;
  return motion.travelling !== before;
}
