import type { Area, Place } from './area.ts';
import type { Generator } from './generator.ts';
import { type Leg, legAt, placesOn } from './itinerary.ts';

/**
 * Boats shuttle between the western and the eastern end of their line, and stop at both. The lines are spread over the height of the
 * area. The boats depart one after the other. All passengers of a boat have the same positions. The routes are fixed, as in W. Zhao,
 * M. Ammar, FTDCS, 2003.
 */
export const ferry: Generator = {
  defaults: { users: 60, steps: 1440, stepS: 10, passengers: 10, lines: 2, speedMps: 10, stopS: 300 },
  walk({ users, steps, stepS, passengers, lines, speedMps, stopS }, area, _, user) {
    const boat = Math.floor(user / passengers!);
    const boats = Math.ceil(users! / passengers!);
    const [west, east] = endsOf(boat % lines!, lines!, area);
    const runS = area.widthM / speedMps! + stopS!;
    // The departures are spread evenly over a round trip, which is two runs.
    const firstDepartureS = (2 * runS * boat) / boats;
    return placesOn(timetable(west, east, runS, firstDepartureS, steps! * stepS!, speedMps!), steps!, stepS!);
  },
};

function endsOf(line: number, lines: number, { widthM, heightM }: Area): [Place, Place] {
  const y = (heightM * (line + 0.5)) / lines;
  return [
    { x: 0, y },
    { x: widthM, y },
  ];
}

/** The runs of a boat, from before the beginning of the trace up to its end. */
function timetable(
  west: Place,
  east: Place,
  runS: number,
  firstDepartureS: number,
  endS: number,
  speedMps: number,
): Leg[] {
  const legs: Leg[] = [];
  for (let run = 0, departsS = firstDepartureS - 2 * runS; departsS <= endS; run++, departsS += runS) {
    legs.push(run % 2 === 0 ? legAt(departsS, west, east, speedMps) : legAt(departsS, east, west, speedMps));
  }
  return legs;
}
