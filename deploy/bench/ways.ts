/** The users of the benchmarks: their movements (random waypoint, at 1-30 m/s, a position every 10 s), and the sites they pass. */
import { DEFAULT_SITE } from '#services/replay/site-lists.ts';
import type { Data } from '#shared/events/index.ts';
import { KM_PER_DEGREE } from '#shared/geo/distance.ts';
import type { Random } from '#shared/random/random.ts';

/** Time between two positions of a user. */
export const STEP_MS = 10_000;

/** Size of a measurement. */
export interface Size {
  readonly users: number;
  readonly sites: number;
  /** Distance between neighbouring sites. */
  readonly spacingKm: number;
  /** Positions of each user, after the first. */
  readonly steps: number;
}

/** The sites of a region. 98 % of the positions in it end in the quiet radius. */
export const REGION_SITES = { sites: 1_000, spacingKm: 10 } as const;

/** Positions of the sites, row by row on a square grid near the equator, where degrees of latitude and longitude have the same length. */
export function sitePlaces({
  sites,
  spacingKm,
}: Pick<Size, 'sites' | 'spacingKm'>): { readonly lat: number; readonly lon: number }[] {
  const [columns, spacing] = [columnsOf(sites), spacingKm / KM_PER_DEGREE];
  return Array.from({ length: sites }, (_, i) => ({
    lat: Math.floor(i / columns) * spacing,
    lon: (i % columns) * spacing,
  }));
}

/** The reports that the sites publish about themselves. */
export function siteReports(size: Size, atMs: number): Data<'site.reported.v1'>[] {
  return sitePlaces(size).map((place, i) => {
    const uplinks = DEFAULT_SITE.uplinks.map((uplink) => ({ ...uplink }));
    return { site: `site-${i}`, ...place, slots: DEFAULT_SITE.slots, vms: [], draining: false, uplinks, atMs };
  });
}

/** The name of the site that is nearest to a place on the grid. */
export function nearestSite({ sites, spacingKm }: Size, lat: number, lon: number): string {
  const [columns, spacing] = [columnsOf(sites), spacingKm / KM_PER_DEGREE];
  const column = Math.min(columns - 1, Math.round(lon / spacing));
  return `site-${Math.min(sites - 1, Math.round(lat / spacing) * columns + column)}`;
}

function columnsOf(sites: number): number {
  return Math.ceil(Math.sqrt(sites));
}

/**
 * Random waypoint at 1-30 m/s, without pauses: latitude and longitude of user `u` after `s` steps at
 * `2 * (s * users + u)`, for every step from 0 to `steps`.
 */
export function makeWays({ users, sites, spacingKm, steps }: Size, random: Random): Float64Array {
  const extent = ((columnsOf(sites) - 1) * spacingKm) / KM_PER_DEGREE;
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
