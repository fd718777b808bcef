import { around } from 'geokdbush';
import KDBush from 'kdbush';
import { chordKm, type Position, unitVector } from './distance.ts';

/**
 * Up to this number of sites, a scan of all sites is faster than a tree. The scan takes one dot product a site, 2.7 µs for 1,000 sites;
 * kdbush with geokdbush takes 4.5 µs for any number. (Planar trees over longitude and latitude find the wrong site.)
 */
const SCAN_LIMIT = 1000;

/** How many neighbours the index lists for each site. */
const AROUND = 32;

/** The sites around one site, the nearest first, itself included. */
interface Around {
  readonly sites: Int32Array;
  /** The distance of each, as the length of the chord on a globe of radius 1. */
  readonly chords: Float64Array;
  /** The distance of the farthest one. Sites outside of the list are at least as far. */
  readonly reachKm: number;
}

/** More than the rounding error of a chord: six micrometres on the earth. */
const ROUNDING = 1e-12;

/** Finds the sites nearest to a position, by great-circle distance. It is built once for a list of sites, and names them by index. */
export class SiteIndex {
  readonly size: number;
  readonly #positions: readonly Position[];
  #vectors: Float64Array;
  #tree: KDBush | undefined;
  /** By site. Each entry is filled on first use. */
  readonly #around: (Around | undefined)[] = [];

  constructor(sites: readonly Position[]) {
    this.size = sites.length;
    this.#positions = sites.map(({ lat, lon }) => ({ lat, lon }));
    this.#vectors = new Float64Array(sites.length * 3);
    sites.forEach((site, i) => {
      unitVector(site, this.#vectors, i * 3);
    });
    if (sites.length > SCAN_LIMIT) {
      this.#tree = new KDBush(sites.length);
      for (const site of sites) this.#tree.add(site.lon, site.lat);
      this.#tree.finish();
    }
  }

  /**
   * Writes the indexes of the `count` nearest sites into `found`, the nearest first, and their distances into `km`.
   * @param probe the position's unit vector
   * @returns how many were found: `count`, or the number of all sites if there are fewer
   */
  nearest(probe: Float64Array, position: Position, count: number, found: Int32Array, km: Float64Array): number {
    return this.#tree
      ? this.#ask(this.#tree, probe, position, count, found, km)
      : this.#scan(probe, undefined, 0, count, found, km);
  }

  /**
   * The same for a user who was near the site `hint` a moment ago. It scans only the sites around that site if the result is certain to
   * be the same; this takes a tenth of the time. The result is certain because every other site is at least `reachKm` from the hint, and
   * so at least `reachKm` minus the user's distance to the hint from the user.
   * @param hint the index of a site; any other number means that there is no hint
   */
  nearestFrom(
    hint: number,
    probe: Float64Array,
    position: Position,
    count: number,
    found: Int32Array,
    km: Float64Array,
  ): number {
    // The second pass starts from the site that the first pass found nearest: the user has moved on.
    for (let from = hint, chances = 2; chances > 0 && from >= 0 && from < this.size; chances--) {
      const around = this.#aroundOf(from);
      const squaredChord = this.#squaredChord(probe, from);
      const kept = this.#scan(probe, around, Math.sqrt(squaredChord), count, found, km);
      // Strictly less: at exactly `reachKm` there may be further sites, and the first in the list of all sites must win.
      if (kept === count && km[kept - 1]! < around.reachKm - chordKm(squaredChord)) return kept;
      if (found[0] === from) break;
      from = found[0]!;
    }
    return this.nearest(probe, position, count, found, km);
  }

  /** Great-circle distance between two sites in km. */
  betweenKm(a: number, b: number): number {
    return chordKm(this.#squaredChord(this.#vectors.subarray(a * 3, a * 3 + 3), b));
  }

  #aroundOf(site: number): Around {
    let around = this.#around[site];
    if (around === undefined) {
      const count = Math.min(AROUND, this.size);
      const sites = new Int32Array(count);
      const km = new Float64Array(count);
      const probe = this.#vectors.slice(site * 3, site * 3 + 3);
      const kept = this.nearest(probe, this.#positions[site]!, count, sites, km);
      const chords = Float64Array.from(sites, (other) => Math.sqrt(this.#squaredChord(probe, other)));
      // This list contains all sites.
      around = { sites, chords, reachKm: kept === this.size ? Number.POSITIVE_INFINITY : km[kept - 1]! };
      this.#around[site] = around;
    }
    return around;
  }

  /** Great-circle distance in km from a position, given as its unit vector, to one site. */
  distanceKm(probe: Float64Array, site: number): number {
    return chordKm(this.#squaredChord(probe, site));
  }

  #squaredChord(p: Float64Array, site: number): number {
    const v = this.#vectors;
    const x = v[site * 3]! - p[0]!;
    const y = v[site * 3 + 1]! - p[1]!;
    const z = v[site * 3 + 2]! - p[2]!;
    return x * x + y * y + z * z;
  }

  /**
   * Inserts into a short sorted list, which is cheaper than a heap for a handful of neighbours.
   * @param around the sites to scan, by their distance from one of them; undefined scans all sites
   * @param away the chord from the position to that one site
   */
  #scan(
    probe: Float64Array,
    around: Around | undefined,
    away: number,
    count: number,
    found: Int32Array,
    km: Float64Array,
  ): number {
    let kept = 0;
    let worst = Number.POSITIVE_INFINITY;
    const vectors = this.#vectors;
    const [px, py, pz] = [probe[0]!, probe[1]!, probe[2]!];
    const size = around === undefined ? this.size : around.sites.length;
    for (let i = 0; i < size; i++) {
      if (around !== undefined && kept === count) {
        // By the triangle inequality this site is farther than the farthest one kept, and so are all that follow.
        const gap = around.chords[i]! - away - ROUNDING;
        if (gap > 0 && gap * gap > worst) break;
      }
      const site = around === undefined ? i : around.sites[i]!;
      const x = vectors[site * 3]! - px;
      const y = vectors[site * 3 + 1]! - py;
      const z = vectors[site * 3 + 2]! - pz;
      const d = x * x + y * y + z * z;
      // Nearly all sites are farther than the farthest one kept. `before` is called only for the others.
      if (kept === count && (d > worst || !before(d, site, worst, found[kept - 1]!))) continue;
      let at = kept < count ? kept++ : kept - 1;
      for (; at > 0 && before(d, site, km[at - 1]!, found[at - 1]!); at--) {
        km[at] = km[at - 1]!;
        found[at] = found[at - 1]!;
      }
      km[at] = d;
      found[at] = site;
      worst = km[kept - 1]!;
    }
    for (let i = 0; i < kept; i++) km[i] = chordKm(km[i]!);
    return kept;
  }

  #ask(
    tree: KDBush,
    probe: Float64Array,
    { lat, lon }: Position,
    count: number,
    found: Int32Array,
    km: Float64Array,
  ): number {
    const ids = around(tree, lon, lat, count) as number[];
    for (let i = 0; i < ids.length; i++) {
      found[i] = ids[i]!;
      km[i] = chordKm(this.#squaredChord(probe, ids[i]!));
    }
    return ids.length;
  }
}

/** Sites at equal distance are in the order of the list, so scan and tree give the same result. */
function before(km: number, site: number, otherKm: number, other: number): boolean {
  return km < otherKm || (km === otherKm && site < other);
}
