/** The world of the laboratory: cells where users are, sites in some of the cells, and the costs between them. */
import type { HopCosts } from './costs.ts';

/** The positions of the cells in a plane. The unit is a hop. */
export interface CellMap {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/** Costs are in units of the slot's load factor. Sites have numbers from 0, in the order of their cells. */
export interface World {
  readonly cells: number;
  readonly sites: number;
  /** By cell: the nearest site, by straight line; of several, the lowest number. */
  readonly nearest: Int16Array;
  /** The hops from cell c to site k, at `c * sites + k`. */
  readonly hops: Uint16Array;
  /** The squared distance from cell c to site k, at `c * sites + k`. */
  readonly squared: Float64Array;
  /** c_d: the cost of serving a user in cell c from site k for one slot, at `c * sites + k`. */
  readonly serve: Float64Array;
  /** c_m: the cost of a move from site h to site k, at `h * sites + k`; 0 if h = k. */
  readonly move: Float64Array;
  /** The hops from site h to site k, at `h * sites + k`. */
  readonly between: Uint16Array;
  /** The cost of the first placement of a service. */
  readonly placing: number;
  readonly costs: HopCosts;
}

/** Computes all costs of a world. @param siteCells the cells that have a site, ascending */
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

/** Rounds a distance up to whole hops, but ignores errors of rounding, as in the authors' program. */
function wholeHops(distance: number): number {
  const whole = Math.round(distance);
  return Math.abs(distance - whole) < 1e-8 ? whole : Math.ceil(distance);
}

/** The numbers of `count` cells, evenly spread over all `cells`: round(i * cells / count) - 1 for i from 1 to `count`. */
export function everyNth(cells: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.round(((i + 1) * cells) / count) - 1);
}
