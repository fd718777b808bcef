/** Itineraries of generated users: a list of legs with their times. */
import type { Place } from './area.ts';
import { towards } from './random-waypoint.ts';

/** A straight line from one place to another. */
export interface Leg {
  readonly departsS: number;
  readonly arrivesS: number;
  readonly from: Place;
  readonly to: Place;
}

/** A leg at constant speed. */
export function legAt(departsS: number, from: Place, to: Place, speedMps: number): Leg {
  return { departsS, arrivesS: departsS + Math.hypot(to.x - from.x, to.y - from.y) / speedMps, from, to };
}

/** The place at each step. Before the first leg and between two legs the user waits. @param legs in order of time, at least one */
export function placesOn(legs: readonly Leg[], steps: number, stepS: number): Place[] {
  let leg = 0;
  return Array.from({ length: steps }, (_, step) => {
    const nowS = step * stepS;
    while (leg + 1 < legs.length && legs[leg + 1]!.departsS <= nowS) leg++;
    const { departsS, arrivesS, from, to } = legs[leg]!;
    if (nowS <= departsS) return from;
    return nowS >= arrivesS ? to : towards(from, to, (nowS - departsS) / (arrivesS - departsS));
  });
}
