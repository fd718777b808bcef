import type { CellMap } from '../world.ts';

/** The cell nearest to a point of the map. Of several, it is the last one, as on a grid that rounds up. */
export function nearestCell({ x, y }: CellMap, atX: number, atY: number): number {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (let cell = 0; cell < x.length; cell++) {
    const squared = (x[cell]! - atX) ** 2 + (y[cell]! - atY) ** 2;
    if (squared <= least) [best, least] = [cell, squared];
  }
  return best;
}
