import { draw } from '../scenarios/draws.ts';
import type { Generator } from './generator.ts';
import { legAt, placesOn } from './itinerary.ts';
import { anywhere } from './random-waypoint.ts';

const HOUR_S = 3600;

/**
 * Each user travels from home to work in the morning, and back after the working hours. The time of departure is normally distributed
 * around the peak. Home, workplace and speed are drawn for each user. This is the working day movement model (F. Ekman et al.,
 * MobilityModels, 2008) without its evenings.
 */
export const commuters: Generator = {
  defaults: { users: 100, steps: 1440, stepS: 60, peakHour: 8, spreadMin: 30, workHours: 8, fromMps: 5, toMps: 15 },
  walk({ steps, stepS, peakHour, spreadMin, workHours, fromMps, toMps }, area, random) {
    const home = anywhere(area, random);
    const work = anywhere(area, random);
    const speedMps = draw(random, fromMps!, toMps!);
    const leavesS = Math.max(0, peakHour! * HOUR_S + normal(random) * spreadMin! * 60);
    const out = legAt(leavesS, home, work, speedMps);
    const back = legAt(out.arrivesS + workHours! * HOUR_S, work, home, speedMps);
    return placesOn([out, back], steps!, stepS!);
  },
};

/** Draws from the normal distribution with mean 0 and standard deviation 1 (G. E. P. Box, M. E. Muller, 1958). */
export function normal(random: { next(): number }): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}
