/** The journeys of the users. Times are in minutes from the beginning of the scenario, places in minutes from Boston. */
import type { Random } from '#shared/random/random.ts';
import { type StationName, station } from './corridor.ts';
import { draw, pick } from './draws.ts';

/** A journey by train. */
export interface Journey {
  readonly departs: number;
  readonly arrives: number;
  readonly from: number;
  readonly to: number;
}

/** Short journeys: the nearest site stays the same, or the old one is hardly worse. */
const COMMUTES: readonly (readonly [StationName, StationName])[] = [
  ['Newark Penn Station', 'New York Penn Station'],
  ['Stamford', 'New York Penn Station'],
  ['Trenton', 'Philadelphia 30th Street'],
  ['Wilmington', 'Philadelphia 30th Street'],
  ['New London', 'New Haven'],
];

const CITIES: readonly StationName[] = [
  'Boston South Station',
  'Providence',
  'New Haven',
  'New York Penn Station',
  'Philadelphia 30th Street',
  'Baltimore Penn Station',
  'Washington Union Station',
];

/** The share of users who travel between {@link COMMUTES}. */
const COMMUTERS = 0.3;
/** The share of users who travel back. */
const RETURNS = 0.5;
/** Some users are on a train when the scenario begins, and some when it ends. */
const EARLIEST = -45;
const LATE = 10;

/**
 * Draws the journeys of one user: one journey, and for some users the journey back after a stay.
 * @param minutes the duration of the scenario
 */
export function drawJourneys(random: Random, minutes: number): Journey[] {
  const [from, to] = drawEnds(random);
  // Not every train is an express.
  const duration = Math.abs(to - from) * draw(random, 1, 1.2);
  const departs = draw(random, EARLIEST, Math.max(60, minutes + LATE - duration));
  const out = { departs, arrives: departs + duration, from, to };
  const leaves = out.arrives + draw(random, 45, 90);
  if (random.next() > RETURNS || leaves > minutes) return [out];
  return [out, { departs: leaves, arrives: leaves + duration, from: to, to: from }];
}

function drawEnds(random: Random): [number, number] {
  if (random.next() < COMMUTERS) {
    const [from, to] = pick(random, COMMUTES);
    return [station(from).minute, station(to).minute];
  }
  const from = pick(random, CITIES);
  const to = pick(
    random,
    CITIES.filter((city) => city !== from),
  );
  return [station(from).minute, station(to).minute];
}

/** The place of a user at a minute of the scenario. `travels`: the user is on a train. */
export function placeIn(journeys: readonly Journey[], minute: number): { place: number; travels: boolean } {
  let place = journeys[0]!.from;
  for (const { departs, arrives, from, to } of journeys) {
    if (minute < departs) break;
    if (minute < arrives)
      return { place: from + ((to - from) * (minute - departs)) / (arrives - departs), travels: true };
    place = to;
  }
  return { place, travels: false };
}
