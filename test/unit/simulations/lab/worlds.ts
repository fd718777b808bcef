/** Small worlds and random traces for the laboratory. */
import fc from 'fast-check';
import { CONSTANT_COSTS, DISTANCE_COSTS, type HopCosts } from '#simulations/lab/costs.ts';
import { type CellTrace, cellTrace } from '#simulations/lab/trace.ts';
import { makeWorld, type World } from '#simulations/lab/world.ts';

/** Cells in a row, a hop apart. @param sites the cells with a site; default: all */
export function street(cells: number, sites?: readonly number[], costs: HopCosts = DISTANCE_COSTS): World {
  const x = Float64Array.from({ length: cells }, (_, cell) => cell);
  return makeWorld({ x, y: new Float64Array(cells) }, sites ?? [...x], costs);
}

/** A trace from the cells of each user; -1: the user is away. */
export function ways(...cellsByUser: readonly (readonly number[])[]): CellTrace {
  const slots = cellsByUser[0]!.length;
  const cells = new Int16Array(slots * cellsByUser.length);
  cellsByUser.forEach((way, user) => {
    way.forEach((cell, slot) => {
      cells[slot * cellsByUser.length + user] = cell;
    });
  });
  return cellTrace(cellsByUser.length, slots, cells);
}

/** A random world and trace: cells in a square, some with a site; users who jump and are sometimes away. */
export const anyRun = fc
  .record({
    places: fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 })), {
      minLength: 3,
      maxLength: 12,
    }),
    costs: fc.constantFrom(DISTANCE_COSTS, CONSTANT_COSTS),
    sites: fc.integer({ min: 2, max: 8 }),
    slots: fc.integer({ min: 1, max: 25 }),
    users: fc.integer({ min: 1, max: 4 }),
    draws: fc.infiniteStream(fc.nat(1_000_000)),
  })
  .map(({ places, costs, sites, slots, users, draws }) => {
    const map = { x: Float64Array.from(places, ([x]) => x / 5), y: Float64Array.from(places, ([, y]) => y / 5) };
    const world = makeWorld(map, [...places.keys()].slice(0, sites), costs);
    const drawn = () => draws.next().value as number;
    const way = () => {
      let cell = drawn() % places.length;
      return Array.from({ length: slots }, () => {
        const n = drawn() % 10;
        if (n === 0) return -1;
        if (n < 4) cell = drawn() % places.length;
        return cell;
      });
    };
    return { world, trace: ways(...Array.from({ length: users }, way)) };
  });
