import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';

/** The positions of areas that an operator's network names: cells, access points, zones. */
export interface Places {
  /**
   * The position of the first of `names` that is known.
   * @throws TagalongError PLACE_UNKNOWN
   */
  find(names: readonly string[]): { readonly lat: number; readonly lon: number };
}

/** The places of `ingest.places`, and each site under its own name. A place with the same name wins. */
export function createPlaces({ sites, ingest }: Config): Places {
  const known = new Map<string, { lat: number; lon: number }>();
  for (const { site, lat, lon } of sites) known.set(site, { lat, lon });
  for (const { place, lat, lon } of ingest.places) known.set(place, { lat, lon });
  return {
    find(names) {
      for (const name of names) {
        const place = known.get(name);
        if (place !== undefined) return place;
      }
      throw new TagalongError(
        'PLACE_UNKNOWN',
        `no position is known for ${names.map((name) => JSON.stringify(name)).join(' or ')}; add it to ingest.places`,
      );
    },
  };
}
