/** A slotted world: cells where users are, sites in some of the cells, and what each pair of them costs. */
import type { HopCosts } from './costs.ts';

/** Positions of the cells in a plane, in hops: a distance of two units is two hops. */
export interface CellMap {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/** Costs are in units of the slot's load factor. Sites are numbered from 0, in the order of their cells. */
export interface World {
  readonly cells: number;
  readonly sites: number;
  /** Site nearest to each cell, by straight line; the lowest number of several. */
  readonly nearest: Int16Array;
  /** From cell c to site k, at `c * sites + k`. */
  readonly hops: Uint16Array;
  /** Straight line squared, from cell c to site k at `c * sites + k`. */
  readonly squared: Float64Array;
  /** c_d of a user in cell c served from site k, at `c * sites + k`. */
  readonly serve: Float64Array;
  /** c_m from site h to site k at `h * sites + k`; 0 where they are the same. */
  readonly move: Float64Array;
  /** Hops from site h to site k, at `h * sites + k`. */
  readonly between: Uint16Array;
  /** Price of a service that was nowhere before. */
  readonly placing: number;
  readonly costs: HopCosts;
}

/** @param siteCells the cells that have a site, ascending */
export function makeWorld(map: CellMap, siteCells: readonly number[], costs: HopCosts): World {
  const cells = map.x.length;
  const sites = siteCells.length;
  const hops = new Uint16Array(cells * sites);
  const squared = new Float64Array(cells * sites);
  const nearest = new Int16Array(cells);
  for (let cell = 0; cell < cells; cell++) {
    for (let site = 0; site < sites; site++) {
      const [dx, dy] = [map.x[siteCells[site]!]! - map.x[cell]!, map.y[siteCells[site]!]! - map.y[cell]!];
      squared[cell * sites + site] = dx * dx + dy * dy;
      hops[cell * sites + site] = wholeHops(Math.sqrt(dx * dx + dy * dy));
      if (squared[cell * sites + site]! < squared[cell * sites + nearest[cell]!]!) nearest[cell] = site;
    }
  }
  const siteHops = new Uint16Array(sites * sites);
  siteCells.forEach((cell, h) => {
    siteHops.set(hops.subarray(cell * sites, (cell + 1) * sites), h * sites);
  });
  const move = Float64Array.from(siteHops, costs.move);
  for (let site = 0; site < sites; site++) move[site * sites + site] = 0;
  return {
    cells,
    sites,
    nearest,
    hops,
    squared,
    serve: Float64Array.from(hops, costs.serve),
    move,
    between: siteHops,
    placing: costs.move(0),
    costs,
  };
}

/** Hops of a distance: whole where it is so but for rounding, else rounded up, as in the authors' program. */
function wholeHops(distance: number): number {
  const whole = Math.round(distance);
  return Math.abs(distance - whole) < 1e-8 ? whole : Math.ceil(distance);
}

/** `count` of so many cells, evenly spread over their numbers: the 1-based round(i * cells / count), from 0 here. */
export function everyNth(cells: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.round(((i + 1) * cells) / count) - 1);
}
