/**
 * Motion: whether a user travels or rests. A travelling user soon leaves a site again, a resting one stays. The speed is measured
 * over at least 20 s, because positions scatter too much to compare two that follow each other closely.
 */
import { lonScale, nearKm2 } from '../../geo/distance.ts';

/** A user travels from this speed on: faster than walking. */
const TRAVEL_MPS = 2;
/** Speed assumed for a user without a journey so far: city traffic. */
const USUAL_MPS = 10;
/** Weight of the newest speed in the exponential average. */
const NEWEST_WEIGHT = 0.2;
/** Least time between two positions that are compared. */
const COMPARED_MS = 20_000;

/** The motion of one user, and the position with which the next one is compared. JSON; stored as `pace`. */
export interface Motion {
  travelling: boolean;
  /** Speed of the user's present or last journey, smoothed, in metres a second. */
  speedMps: number;
  /** When the user stopped after a journey, as late as the positions allow; -1: the user travels, or has never travelled. */
  restingSinceMs: number;
  /** Time of the position with which the next one is compared; -1: none yet. */
  atMs: number;
  lat: number;
  lon: number;
}

/** The motion of a user without history. */
export function newMotion(): Motion {
  return { travelling: false, speedMps: USUAL_MPS, restingSinceMs: -1, atMs: -1, lat: 0, lon: 0 };
}

/** Updates the motion with a position that counts. @returns true if the user has started to travel or has stopped */
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
