/** The density of positions on a grid. */
import { KM_PER_DEGREE } from '#shared/geo/distance.ts';

/** The number of cells along the longer side: about the resolution of a map on a screen. */
const MOST_CELLS = 480;
/** The margin beyond the outermost sites, as a share of the longer side. */
const MARGIN = 0.12;
const LEAST_MARGIN_KM = 1;

/** A part of the map, in degrees. */
export interface Bounds {
  readonly west: number;
  readonly south: number;
  readonly east: number;
  readonly north: number;
}

/** Square cells, row by row from the north-west. */
export interface Density {
  readonly bounds: Bounds;
  readonly columns: number;
  readonly rows: number;
  /** Positions in each cell. */
  readonly counts: Uint32Array;
  /** Positions that lie outside of the bounds. */
  readonly outside: number;
}

/** The area of the sites with a margin. It does not depend on the positions, so the grid is known before the run. */
export function boundsOf(sites: readonly { readonly lat: number; readonly lon: number }[]): Bounds {
  const [lats, lons] = [sites.map(({ lat }) => lat), sites.map(({ lon }) => lon)];
  const [south, north, west, east] = [least(lats), most(lats), least(lons), most(lons)];
  const cosine = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const longerKm = Math.max(north - south, (east - west) * cosine) * KM_PER_DEGREE;
  const margin = Math.max(LEAST_MARGIN_KM, MARGIN * longerKm) / KM_PER_DEGREE;
  const marginLon = margin / cosine;
  return { west: west - marginLon, south: south - margin, east: east + marginLon, north: north + margin };
}

/** Counts positions in the cells of a grid. */
export class DensityCounter {
  readonly #bounds: Bounds;
  readonly #columns: number;
  readonly #rows: number;
  readonly #counts: Uint32Array;
  #outside = 0;

  constructor(bounds: Bounds) {
    const { west, south, east, north } = bounds;
    const width = (east - west) * Math.cos((((south + north) / 2) * Math.PI) / 180);
    const cell = Math.max(width, north - south) / MOST_CELLS;
    this.#bounds = bounds;
    this.#columns = Math.max(1, Math.round(width / cell));
    this.#rows = Math.max(1, Math.round((north - south) / cell));
    this.#counts = new Uint32Array(this.#columns * this.#rows);
  }

  add(lat: number, lon: number): void {
    const { west, south, east, north } = this.#bounds;
    const column = Math.floor(((lon - west) / (east - west)) * this.#columns);
    const row = Math.floor(((north - lat) / (north - south)) * this.#rows);
    if (column < 0 || row < 0 || column >= this.#columns || row >= this.#rows) this.#outside++;
    else this.#counts[row * this.#columns + column]!++;
  }

  density(): Density {
    const [bounds, columns, rows] = [this.#bounds, this.#columns, this.#rows];
    return { bounds, columns, rows, counts: this.#counts, outside: this.#outside };
  }
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b));
}

function most(values: readonly number[]): number {
  return values.reduce((a, b) => Math.max(a, b));
}
