/** The positions that the users' phones report on the way, with the faults of real ones. */
import type { Fix } from '#services/replay/traces/fix.ts';
import type { Random } from '#shared/random/random.ts';
import { away, type Point } from './corridor.ts';
import { draw } from './draws.ts';
import { type Journey, placeIn } from './journeys.ts';

export interface Traveller {
  readonly user: string;
  readonly journeys: readonly Journey[];
}

const TRAVELLING_EVERY_MS = 20_000;
const FIRST_WITHIN_MS = 5_000;
const STAYING_EVERY_MS = 60_000;
/** How far home is from the station, how far one moves about there, and how well a phone knows where it is. */
const HOME_M = 300;
const STAYING_M = 100;
const TRAVELLING_M = 15;
const WILD = 0.0005;
const DUPLICATE = 0.002;

/** The fixes of one user, by time, and how many of them are wild or repeated. */
export function positionsOf(
  random: Random,
  corridorAt: (minute: number) => Point,
  { user, journeys }: Traveller,
  startMs: number,
  endMs: number,
): { fixes: Fix[]; wild: number; duplicates: number } {
  const home = { north: draw(random, -HOME_M, HOME_M), east: draw(random, -HOME_M, HOME_M) };
  const fixes: Fix[] = [];
  let wild = 0;
  let duplicates = 0;
  // Users do not report all in the same second.
  // Each user reports in the first seconds: half of a VM's users would draw it to the wrong place.
  let atMs = startMs + Math.floor(random.next() * FIRST_WITHIN_MS);
  while (atMs <= endMs) {
    const { place, travels } = placeIn(journeys, (atMs - startMs) / 60_000);
    const isWild = random.next() < WILD;
    const at = corridorAt(place);
    const { lat, lon } = isWild ? wildPoint(random, at) : phonePoint(random, at, travels ? undefined : home);
    const fix = { user, atMs, lat, lon };
    fixes.push(fix);
    if (isWild) wild++;
    else if (random.next() < DUPLICATE) {
      duplicates++;
      fixes.push(fix);
    }
    atMs += travels ? TRAVELLING_EVERY_MS : STAYING_EVERY_MS;
  }
  return { fixes, wild, duplicates };
}

interface Offset {
  readonly north: number;
  readonly east: number;
}

/** A degree of latitude, in metres. */
const DEGREE_M = 111_320;

/**
 * Near a point of the corridor: on the train, or where the user stays. In the plane, as a great circle would cost ten
 * times as much and differ by nothing.
 */
function phonePoint(random: Random, at: Point, home: Offset | undefined): Point {
  const reach = home === undefined ? TRAVELLING_M : STAYING_M;
  const north = (home?.north ?? 0) + draw(random, -reach, reach);
  const east = (home?.east ?? 0) + draw(random, -reach, reach);
  const lat = at.lat + north / DEGREE_M;
  return rounded(lat, at.lon + east / (DEGREE_M * Math.cos((at.lat * Math.PI) / 180)));
}

/** The position of a receiver without a fix (0/0), or one far outside the corridor. */
function wildPoint(random: Random, at: Point): Point {
  if (random.next() < 1 / 3) return { lat: 0, lon: 0 };
  const { lat, lon } = away(at, draw(random, 800_000, 1_600_000), draw(random, 0, 360));
  return rounded(lat, lon);
}

/** To 10 cm, which is finer than any phone knows, and the same on every machine. */
function rounded(lat: number, lon: number): Point {
  return { lat: Math.round(lat * 1e6) / 1e6, lon: Math.round(lon * 1e6) / 1e6 };
}
