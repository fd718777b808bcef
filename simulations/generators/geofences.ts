import type { Random } from '#shared/random/random.ts';
import { draw } from '../scenarios/draws.ts';
import type { Area, Place } from './area.ts';
import { normal } from './commuters.ts';
import type { EventGenerator, Parameters, PresenceEvent } from './generator.ts';
import { type Leg, legAt } from './itinerary.ts';
import { anywhere } from './random-waypoint.ts';

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;

/**
 * Users travel to work and back as {@link commuters}. In the evening they make trips to random places, and stay there for a time drawn
 * from an exponential distribution. They report events only: the beginning and the end of a trip, and each geofence on the way that they
 * enter or leave. Geofences lie on a grid of their own and do not overlap. The position of such a report is the centre of the geofence, as
 * in the geofencing APIs. This is our own combination.
 */
export const geofences: EventGenerator = {
  defaults: {
    users: 500,
    steps: 2880,
    stepS: 60,
    peakHour: 8,
    spreadMin: 60,
    workHours: 8,
    trips: 2,
    stayMin: 30,
    fromMps: 5,
    toMps: 15,
    fenceEveryM: 1500,
    fenceM: 250,
  },
  events(parameters, area, random) {
    const { steps, stepS } = parameters;
    const events: PresenceEvent[] = [];
    for (const { from, to, departsS, arrivesS } of legsOf(parameters, area, random)) {
      if (events.length === 0) events.push({ atS: 0, place: from, presence: 'arrived' });
      events.push({ atS: departsS, place: from, presence: 'left' });
      events.push(...crossings({ from, to, departsS, arrivesS }, parameters));
      events.push({ atS: arrivesS, place: to, presence: 'arrived' });
    }
    return events.filter(({ atS }) => atS < steps! * stepS!);
  },
};

/** The trips of one user, day by day, one after the other. */
function legsOf(parameters: Parameters, area: Area, random: Random): Leg[] {
  const { steps, stepS, peakHour, spreadMin, workHours, trips, stayMin, fromMps, toMps } = parameters;
  const home = anywhere(area, random);
  const work = anywhere(area, random);
  const speedMps = draw(random, fromMps!, toMps!);
  const legs: Leg[] = [];
  const go = (notBeforeS: number, from: Place, to: Place) => {
    const departsS = Math.max(notBeforeS, (legs.at(-1)?.arrivesS ?? 0) + 1);
    legs.push(legAt(departsS, from, to, speedMps));
  };
  const stay = () => legs.at(-1)!.arrivesS - stayMin! * 60 * Math.log(1 - random.next());
  for (let dayS = 0; dayS < steps! * stepS!; dayS += DAY_S) {
    go(dayS + peakHour! * HOUR_S + normal(random) * spreadMin! * 60, home, work);
    go(legs.at(-1)!.arrivesS + workHours! * HOUR_S, work, home);
    for (let trip = 0; trip < trips!; trip++) {
      const place = anywhere(area, random);
      go(stay(), home, place);
      go(stay(), place, home);
    }
  }
  return legs;
}

/** The reports of geofences on a trip, in order. It leaves out the geofences that contain one of the ends of the trip. */
function crossings({ from, to, departsS, arrivesS }: Leg, { fenceEveryM, fenceM }: Parameters): PresenceEvent[] {
  const lengthM = Math.hypot(to.x - from.x, to.y - from.y);
  if (lengthM === 0) return [];
  const [east, north] = [(to.x - from.x) / lengthM, (to.y - from.y) / lengthM];
  const events: PresenceEvent[] = [];
  const atS = (m: number) => departsS + (m / lengthM) * (arrivesS - departsS);
  const cells = (a: number, b: number) => {
    const [low, high] = [Math.min(a, b) - fenceM!, Math.max(a, b) + fenceM!].map((m) => m / fenceEveryM!);
    return Array.from({ length: Math.max(0, Math.floor(high!) - Math.ceil(low!) + 1) }, (_, i) => Math.ceil(low!) + i);
  };
  for (const column of cells(from.x, to.x)) {
    for (const row of cells(from.y, to.y)) {
      const place = { x: column * fenceEveryM!, y: row * fenceEveryM! };
      const alongM = (place.x - from.x) * east + (place.y - from.y) * north;
      const asideM = (place.x - from.x) * north - (place.y - from.y) * east;
      if (Math.abs(asideM) >= fenceM!) continue;
      const halfM = Math.sqrt(fenceM! ** 2 - asideM ** 2);
      if (alongM - halfM <= 0 || alongM + halfM >= lengthM) continue;
      events.push({ atS: atS(alongM - halfM), place, presence: 'arrived' });
      events.push({ atS: atS(alongM + halfM), place, presence: 'left' });
    }
  }
  return events.sort((a, b) => a.atS - b.atS);
}
