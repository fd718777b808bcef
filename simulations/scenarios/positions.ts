/** The positions that the users' phones report, with the faults of real phones. */
import type { Fix } from '#services/replay/traces/fix.ts';
import type { Random } from '#shared/random/random.ts';
import { away, type Point } from './corridor.ts';
import { draw } from './draws.ts';
import { type Journey, placeIn } from './journeys.ts';

/** A user with journeys. */
export interface Traveller {
  readonly user: string;
  readonly journeys: readonly Journey[];
}

const TRAVELLING_EVERY_MS = 20_000;
const FIRST_WITHIN_MS = 5_000;
const STAYING_EVERY_MS = 60_000;
/** The distance of a home from its station, at most, in each direction. */
const HOME_M = 300;
/** Users who stay move about within this distance, in each direction. */
const STAYING_M = 100;
/** The error of a phone on a train, at most, in each direction. */
const TRAVELLING_M = 15;
/** The share of wild points. */
const WILD = 0.0005;
/** The share of positions that the phone sends twice. */
const DUPLICATE = 0.002;

/** The positions of one user in order of time, and the numbers of wild points and duplicates among them. */
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
  // All users report in the first seconds, but not in the same one. If only half of a VM's users had reported, the VM would move to
  // the wrong site.
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
 * The position that a phone reports near a point of the corridor. It is computed in the plane: a great circle would cost ten times as
 * much, and the difference is negligible.
 * @param home the offset of the user's home from the station; undefined on a train
 */
function phonePoint(random: Random, at: Point, home: Offset | undefined): Point {
  const reach = home === undefined ? TRAVELLING_M : STAYING_M;
  const north = (home?.north ?? 0) + draw(random, -reach, reach);
  const east = (home?.east ?? 0) + draw(random, -reach, reach);
  const lat = at.lat + north / DEGREE_M;
  return rounded(lat, at.lon + east / (DEGREE_M * Math.cos((at.lat * Math.PI) / 180)));
}

/** A wild point: the position of a receiver without a fix (0/0), or a position far outside the corridor. */
function wildPoint(random: Random, at: Point): Point {
  if (random.next() < 1 / 3) return { lat: 0, lon: 0 };
  const { lat, lon } = away(at, draw(random, 800_000, 1_600_000), draw(random, 0, 360));
  return rounded(lat, lon);
}

/** Rounds to 10 cm: finer than the error of any phone, and the same on every machine. */
function rounded(lat: number, lon: number): Point {
  return { lat: Math.round(lat * 1e6) / 1e6, lon: Math.round(lon * 1e6) / 1e6 };
}
