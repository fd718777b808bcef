/**
 * Plausibility: which positions count. A location event counts once. A late, repeated, out-of-order or impossible position changes
 * nothing; a metric counts it by the name of its fault.
 */
import type { PlausibilityLimits } from '../config/schema.ts';
import { lonScale, nearKm2 } from './distance.ts';

/** Why a position does not count. */
export type Implausible =
  | 'out-of-range' // no such latitude or longitude
  | 'null-island' // 0/0, which receivers without a fix report
  | 'future' // further ahead of the clock than clocks may differ
  | 'stale' // too old to act on
  | 'duplicate' // the user's position at this instant is already known
  | 'out-of-order' // the user's position at a later instant is already known
  | 'teleport'; // faster than anybody travels

/** Two fixes of a GPS receiver between tall buildings may differ by this much, however little time passed. */
const SCATTER_KM = 0.3;

/** The fault of a latitude and longitude; undefined if there is none. */
export function positionFault({ lat, lon }: { readonly lat: number; readonly lon: number }): Implausible | undefined {
  // In this form the condition also refuses NaN.
  if (!(Math.abs(lat) <= 90 && Math.abs(lon) <= 180)) return 'out-of-range';
  if (lat === 0 && lon === 0) return 'null-island';
  return undefined;
}

/**
 * The fault of a position, without a look at the user's earlier positions; undefined if there is none.
 * @param nowMs the present instant, ms since the epoch
 */
export function checkPosition(
  fix: { readonly lat: number; readonly lon: number; readonly atMs: number },
  nowMs: number,
  limits: PlausibilityLimits,
): Implausible | undefined {
  const fault = positionFault(fix);
  if (fault !== undefined) return fault;
  if (fix.atMs > nowMs + limits.maxFutureMs) return 'future';
  if (fix.atMs < nowMs - limits.maxAgeMs) return 'stale';
  return undefined;
}

/** A user's last position that counted, and the positions that contradict it. It is stored as JSON. */
export interface Track {
  atMs: number;
  lat: number;
  lon: number;
  /** How many successive fixes agreed with each other but not with the track. */
  doubts: number;
  doubtAtMs: number;
  doubtLat: number;
  doubtLon: number;
}

/** The track of a user without a position. */
export function newTrack(): Track {
  return { atMs: -1, lat: 0, lon: 0, doubts: 0, doubtAtMs: -1, doubtLat: 0, doubtLon: 0 };
}

/**
 * The fault of a position that contradicts the user's track; undefined if there is none, and the track may be advanced to the position.
 * The function may record a doubt in the track.
 *
 * A jump faster than `maxSpeedMps` is an outlier. But if `reanchorFixes` outliers in a row agree with each other, the track is wrong:
 * its first fix was an outlier, or the user flew with the phone switched off.
 */
export function checkTrack(
  track: Track,
  fix: { readonly lat: number; readonly lon: number; readonly atMs: number },
  limits: PlausibilityLimits,
): Implausible | undefined {
  if (track.atMs < 0) return undefined;
  const { atMs, lat, lon } = fix;
  if (atMs <= track.atMs) return atMs === track.atMs ? 'duplicate' : 'out-of-order';
  if (reachable(track.lat, track.lon, track.atMs, lat, lon, atMs, limits.maxSpeedMps)) return undefined;
  return confirmsDoubt(track, atMs, lat, lon, limits) ? undefined : 'teleport';
}

/** Advances the track to a position that counts. */
export function advanceTrack(
  track: Track,
  fix: { readonly lat: number; readonly lon: number; readonly atMs: number },
): void {
  track.atMs = fix.atMs;
  track.lat = fix.lat;
  track.lon = fix.lon;
  track.doubts = 0;
}

function confirmsDoubt(track: Track, atMs: number, lat: number, lon: number, limits: PlausibilityLimits): boolean {
  // A repeat of the doubtful fix confirms nothing.
  if (track.doubts > 0 && atMs <= track.doubtAtMs) return false;
  const agrees =
    track.doubts > 0 && reachable(track.doubtLat, track.doubtLon, track.doubtAtMs, lat, lon, atMs, limits.maxSpeedMps);
  track.doubts = agrees ? track.doubts + 1 : 1;
  track.doubtAtMs = atMs;
  track.doubtLat = lat;
  track.doubtLon = lon;
  return track.doubts >= limits.reanchorFixes;
}

function reachable(
  fromLat: number,
  fromLon: number,
  fromMs: number,
  lat: number,
  lon: number,
  atMs: number,
  maxSpeedMps: number,
): boolean {
  const reachKm = SCATTER_KM + (maxSpeedMps * (atMs - fromMs)) / 1_000_000;
  // Most fixes are near at any latitude. The cosine is computed only if it can change the result.
  const dLat = Math.abs(lat - fromLat);
  const dLon = Math.abs(lon - fromLon);
  if ((dLat + dLon) * 112 <= reachKm) return true;
  return nearKm2(fromLat, fromLon, lonScale((fromLat + lat) / 2), lat, lon) <= reachKm * reachKm;
}
