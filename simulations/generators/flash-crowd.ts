import { draw } from '../scenarios/draws.ts';
import type { Generator } from './generator.ts';
import { legAt, placesOn } from './itinerary.ts';
import { anywhere, randomWaypoint } from './random-waypoint.ts';

/**
 * Users move by random waypoint until an event begins in the middle of the area. Then some of them go there, gather around it, stay to
 * its end, and go to a place of their own. Random waypoint with one common destination for a time is our own combination.
 */
export const flashCrowd: Generator = {
  defaults: {
    users: 200,
    steps: 720,
    stepS: 10,
    fromMps: 1,
    toMps: 10,
    beginsS: 1800,
    lastsS: 2700,
    share: 0.7,
    radiusM: 200,
  },
  walk(parameters, area, random) {
    const { steps, stepS, fromMps, toMps, beginsS, lastsS, share, radiusM } = parameters;
    const before = randomWaypoint.walk(parameters, area, random, 0);
    const bearing = draw(random, 0, 2 * Math.PI);
    const offM = radiusM! * Math.sqrt(random.next());
    const setsOutS = beginsS! + draw(random, 0, lastsS! / 3);
    const speedMps = draw(random, Math.max(fromMps!, toMps! / 2), toMps!);
    const home = anywhere(area, random);
    if (random.next() >= share!) return before;
    const turns = Math.min(steps! - 1, Math.ceil(setsOutS / stepS!));
    const spot = { x: area.widthM / 2 + offM * Math.cos(bearing), y: area.heightM / 2 + offM * Math.sin(bearing) };
    const there = legAt(turns * stepS!, before[turns]!, spot, speedMps);
    const back = legAt(Math.max(there.arrivesS, beginsS! + lastsS!), spot, home, speedMps);
    return [...before.slice(0, turns), ...placesOn([there, back], steps!, stepS!).slice(turns)];
  },
};
