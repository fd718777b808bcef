/**
 * The rail corridor between Boston and Washington: its larger stations, the journey times of an express, and the position of a train
 * at each minute of the journey. Coordinates and journey times are public knowledge, rounded.
 */
import { computeDestinationPoint, earthRadius, getDistance, getGreatCircleBearing } from 'geolib';

/** A position, in degrees. */
export interface Point {
  readonly lat: number;
  readonly lon: number;
}

/** A station of the corridor. */
export interface Station extends Point {
  readonly name: string;
  /** Journey time from Boston. */
  readonly minute: number;
}

/** The stations in order of the journey, which takes 6 h 40 from end to end. */
export const STATIONS = [
  { name: 'Boston South Station', lat: 42.352, lon: -71.055, minute: 0 },
  { name: 'Providence', lat: 41.83, lon: -71.413, minute: 35 },
  { name: 'New London', lat: 41.354, lon: -72.093, minute: 85 },
  { name: 'New Haven', lat: 41.298, lon: -72.927, minute: 125 },
  { name: 'Stamford', lat: 41.047, lon: -73.542, minute: 175 },
  { name: 'New York Penn Station', lat: 40.751, lon: -73.994, minute: 225 },
  { name: 'Newark Penn Station', lat: 40.735, lon: -74.164, minute: 240 },
  { name: 'Trenton', lat: 40.219, lon: -74.754, minute: 275 },
  { name: 'Philadelphia 30th Street', lat: 39.956, lon: -75.182, minute: 305 },
  { name: 'Wilmington', lat: 39.737, lon: -75.551, minute: 325 },
  { name: 'Baltimore Penn Station', lat: 39.307, lon: -76.616, minute: 370 },
  { name: 'Washington Union Station', lat: 38.898, lon: -77.006, minute: 400 },
] as const satisfies readonly Station[];

/** The name of a station. */
export type StationName = (typeof STATIONS)[number]['name'];

/** A station by its name. */
export function station(name: StationName): Station {
  return STATIONS.find((one) => one.name === name)!;
}

/**
 * The position of a train so many minutes after Boston. Between two stations the train follows the great circle at constant speed.
 * The function interpolates linearly between positions that were computed for every whole minute.
 */
export function corridor(): (minute: number) => Point {
  const atMinute = STATIONS.slice(1).flatMap((to, i) => {
    const from = STATIONS[i]!;
    const minutes = to.minute - from.minute;
    return Array.from({ length: minutes }, (_, minute) => along(from, to, minute / minutes));
  });
  atMinute.push(STATIONS.at(-1)!);
  return (minute) => {
    const before = Math.min(Math.floor(minute), atMinute.length - 2);
    const [a, b] = [atMinute[before]!, atMinute[before + 1]!];
    const share = minute - before;
    return { lat: a.lat + (b.lat - a.lat) * share, lon: a.lon + (b.lon - a.lon) * share };
  };
}

function along(from: Point, to: Point, share: number): Point {
  // `away` must use the same Earth radius as `getDistance`: the defaults of geolib differ by 0.1 %.
  const distance = getDistance(from, to) * share;
  return away(from, distance, getGreatCircleBearing(from, to));
}

/** The point at a distance and bearing from another point. */
export function away(from: Point, metres: number, bearingDegrees: number): Point {
  const { latitude, longitude } = computeDestinationPoint(from, metres, bearingDegrees, earthRadius);
  return { lat: latitude, lon: longitude };
}
