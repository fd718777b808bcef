/** The area where generated users move: a rectangle on the map, measured in metres. */
import type { SiteSpec } from '#services/replay/site-lists.ts';
import { DEFAULT_SITE } from '#services/replay/site-lists.ts';
import { TagalongError } from '#shared/errors.ts';
import { KM_PER_DEGREE } from '#shared/geo/distance.ts';

/** Metres east and north of the south-western corner. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** A rectangle in metres, and its position on the map. */
export interface Area {
  readonly widthM: number;
  readonly heightM: number;
  /** Converts a place to degrees, rounded to 10 cm. */
  degrees(place: Place): { readonly lat: number; readonly lon: number };
}

/** The corner of generated areas. Any place will do that is far from the poles and the date line. */
const CORNER = { lat: 45, lon: 10 };

/** The area that the sites span. @throws TagalongError USAGE if all sites are at one place */
export function areaOf(sites: readonly SiteSpec[]): Area {
  const [lats, lons] = [sites.map(({ lat }) => lat), sites.map(({ lon }) => lon)];
  const corner = { lat: Math.min(...lats), lon: Math.min(...lons) };
  const metres = metresPerDegree(corner.lat);
  const widthM = (Math.max(...lons) - corner.lon) * metres.lon;
  const heightM = (Math.max(...lats) - corner.lat) * metres.lat;
  if (widthM === 0 && heightM === 0) {
    throw new TagalongError(
      'USAGE',
      '--generate: all sites have the same position; give sites at two positions or more',
    );
  }
  return { widthM, heightM, degrees: projection(corner) };
}

/**
 * Sites on a grid, row by row from the south-west. The grid has 5 columns for 10 or 25 sites, 10 for 100, 20 for 400, else the square
 * root, rounded up.
 * @throws TagalongError USAGE if the last row would not be full
 */
export function gridSites(count: number, spacingM: number): SiteSpec[] {
  const columns = { 10: 5, 25: 5, 100: 10, 400: 20 }[count] ?? Math.ceil(Math.sqrt(count));
  if (count < 2 || count % columns !== 0) {
    throw new TagalongError('USAGE', `--generate: ${count} sites make no grid; choose 10, 25, 100 or a square number`);
  }
  const degrees = projection(CORNER);
  return Array.from({ length: count }, (_, i) => ({
    site: `site-${String(i + 1).padStart(3, '0')}`,
    ...degrees({ x: (i % columns) * spacingM, y: Math.floor(i / columns) * spacingM }),
    slots: DEFAULT_SITE.slots,
    uplinks: DEFAULT_SITE.uplinks.map((uplink) => ({ ...uplink })),
  }));
}

function metresPerDegree(lat: number) {
  const one = KM_PER_DEGREE * 1000;
  return { lat: one, lon: one * Math.cos((lat * Math.PI) / 180) };
}

function projection(corner: { lat: number; lon: number }): Area['degrees'] {
  const metres = metresPerDegree(corner.lat);
  const rounded = (degrees: number) => Math.round(degrees * 1e6) / 1e6;
  return ({ x, y }) => ({ lat: rounded(corner.lat + y / metres.lat), lon: rounded(corner.lon + x / metres.lon) });
}
