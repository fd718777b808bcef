/** Made-up ways of many users among sites on a grid: for benchmarks, which want them in little memory and of any size. */
import { KM_PER_DEGREE } from '#shared/geo/distance.ts';
import type { Random } from '#shared/random/random.ts';

/** Users report this often. */
export const STEP_MS = 10_000;

/** How many users walk among how many sites, for how long. */
export interface Size {
  readonly users: number;
  readonly sites: number;
  /** Distance between neighbouring sites. */
  readonly spacingKm: number;
  readonly steps: number;
}

/** Where the sites are: row by row, near the equator, where a degree is a degree both ways. */
export function sitePlaces({
  sites,
  spacingKm,
}: Pick<Size, 'sites' | 'spacingKm'>): { readonly lat: number; readonly lon: number }[] {
  const columns = Math.ceil(Math.sqrt(sites));
  const spacing = spacingKm / KM_PER_DEGREE;
  return Array.from({ length: sites }, (_, i) => ({
    lat: Math.floor(i / columns) * spacing,
    lon: (i % columns) * spacing,
  }));
}

/**
 * Random waypoint at 1-30 m/s, without pauses: latitude and longitude of user `u` after `s` steps at
 * `2 * (s * users + u)`, for every step from 0 to `steps`.
 */
export function makeWays({ users, sites, spacingKm, steps }: Size, random: Random): Float64Array {
  const extent = ((Math.ceil(Math.sqrt(sites)) - 1) * spacingKm) / KM_PER_DEGREE;
  const ways = new Float64Array((steps + 1) * users * 2);
  for (let i = 0; i < users; i++) {
    let [lat, lon] = [random.next() * extent, random.next() * extent];
    let [toLat, toLon, stride] = [lat, lon, 0];
    for (let step = 0; step <= steps; step++) {
      ways[(step * users + i) * 2] = lat;
      ways[(step * users + i) * 2 + 1] = lon;
      const left = Math.hypot(toLat - lat, toLon - lon);
      if (left <= stride || stride === 0) {
        [toLat, toLon] = [random.next() * extent, random.next() * extent];
        stride = ((1 + 29 * random.next()) * STEP_MS) / 1e6 / KM_PER_DEGREE;
      } else {
        lat += (stride * (toLat - lat)) / left;
        lon += (stride * (toLon - lon)) / left;
      }
    }
  }
  return ways;
}
