/** The positions of an itinerary, and the sites near them. All planners of the itinerary share one search for these sites. */
import { type Position, unitVector } from '#shared/geo/distance.ts';
import type { SiteIndex } from '#shared/geo/site-index.ts';

/** So many neighbours of each position are stored. They suffice for most legs. */
export const NEIGHBOURS = 6;
const NOT_LOOKED_UP = -1;

/** Positions, numbered in the order in which they are added. It stores columns, because a trace has many positions. */
export class Places {
  readonly #lat: number[] = [];
  readonly #lon: number[] = [];
  /** Of each position: index of the nearest site. */
  readonly #near: number[] = [];
  #vectors = new Float64Array(0);
  #neighbours = new Int32Array(0);
  /** Of each position: the distance of its last neighbour. */
  #beyondKm = new Float64Array(0);

  /** @returns the number of the position */
  add({ lat, lon }: Position, near: number): number {
    this.#lat.push(lat);
    this.#lon.push(lon);
    return this.#near.push(near) - 1;
  }

  /** Index of the site nearest to a position. */
  near(place: number): number {
    return this.#near[place]!;
  }

  /** Writes the unit vector of a position. */
  vector(place: number, out: Float64Array): void {
    if (this.#vectors.length === 0) this.#computeVectors();
    const from = place * 3;
    out[0] = this.#vectors[from]!;
    out[1] = this.#vectors[from + 1]!;
    out[2] = this.#vectors[from + 2]!;
  }

  /**
   * Writes the sites nearest to a position, nearest first.
   * @param index the sites of the run, the same at each call
   * @param found receives the indexes of the sites; its length is at least {@link NEIGHBOURS}, or the number of all sites
   * @returns the distance of the last of these sites, in km
   */
  neighbours(place: number, index: SiteIndex, probe: Float64Array, found: Int32Array): number {
    if (found.length > NEIGHBOURS) return this.#search(place, index, probe, found);
    const { length } = found;
    if (this.#neighbours.length === 0) {
      this.#neighbours = new Int32Array(length * this.#near.length).fill(NOT_LOOKED_UP);
      this.#beyondKm = new Float64Array(this.#near.length);
    }
    const from = place * length;
    if (this.#neighbours[from] === NOT_LOOKED_UP) {
      this.#beyondKm[place] = this.#search(place, index, probe, found);
      this.#neighbours.set(found, from);
    } else for (let i = 0; i < length; i++) found[i] = this.#neighbours[from + i]!;
    return this.#beyondKm[place]!;
  }

  #search(place: number, index: SiteIndex, probe: Float64Array, found: Int32Array): number {
    const km = new Float64Array(found.length);
    const position = { lat: this.#lat[place]!, lon: this.#lon[place]! };
    index.nearestFrom(this.#near[place]!, probe, position, found.length, found, km);
    return km[found.length - 1]!;
  }

  #computeVectors(): void {
    const count = this.#near.length;
    this.#vectors = new Float64Array(3 * count);
    for (let i = 0; i < count; i++) unitVector({ lat: this.#lat[i]!, lon: this.#lon[i]! }, this.#vectors, 3 * i);
  }
}
