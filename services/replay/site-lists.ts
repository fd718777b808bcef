/** Site lists: the sites of simulations and replays, where no heartbeats name them. */
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type CsvRecord, csvRecords, isBlank } from './traces/csv-records.ts';
import { peekText } from './traces/files.ts';
import { featuresIn } from './traces/geojson.ts';
import { fitName } from './traces/names.ts';
import { decimal, fieldOf, shortened } from './traces/row.ts';

/** A site of a list. */
export interface SiteSpec {
  site: string;
  /** Degrees. */
  lat: number;
  lon: number;
  /** How many VMs the site can run. */
  slots: number;
  /** `rateBps` in bytes a second. */
  uplinks: { provider: string; rateBps: number }[];
}

/**
 * The values that a list does not give. There are so many slots that capacity decides nothing unless the list gives it. Two providers
 * with 1 Gbit/s each give every pair of sites two paths.
 */
export const DEFAULT_SITE = {
  slots: 100_000,
  uplinks: [
    { provider: 'a', rateBps: 125_000_000 },
    { provider: 'b', rateBps: 125_000_000 },
  ],
} as const;

/** A site of a configuration, which is frozen, as lists have it. */
export function siteSpec({ site, lat, lon, slots, uplinks }: Config['sites'][number]): SiteSpec {
  return { site, lat, lon, slots, uplinks: uplinks.map(({ provider, rateBps }) => ({ provider, rateBps })) };
}

/**
 * Reads a list of sites, which may be gzipped. CSV has the columns site, lat and lon, and optionally slots; other columns are ignored.
 * GeoJSON has Points whose name is the property `site` or `name`, else their id, with an optional property `slots`. `fitName` adapts the
 * names to the event schema.
 * @throws TagalongError SITES_INVALID, as `FILE:LINE: field: what is wrong; what to write instead`
 */
export async function readSites(path: string): Promise<SiteSpec[]> {
  const rows = await readRows(path);
  const lineOf = new Map<string, number>();
  const sites = rows.map((row) => {
    const { line } = row;
    const site = siteIn(row, (fault) => invalid(path, line, fault));
    const before = lineOf.get(site.site);
    if (before !== undefined) {
      throw invalid(path, line, `site: "${site.site}" is already in line ${before}; give each site one line`);
    }
    lineOf.set(site.site, line);
    return site;
  });
  if (sites.length === 0) throw invalid(path, 2, 'the list has no site; add at least one');
  return sites;
}

/** A site as the file gives it. */
interface Row {
  readonly line: number;
  readonly fields: Readonly<Record<string, string | undefined>>;
}

async function readRows(path: string): Promise<Row[]> {
  try {
    return (await peekText(path)).trimStart().startsWith('{') ? await featureRows(path) : await csvRows(path);
  } catch (cause) {
    if (!(cause instanceof TagalongError) || cause.code === 'SITES_INVALID') throw cause;
    throw new TagalongError('SITES_INVALID', cause.message, { cause });
  }
}

async function csvRows(path: string): Promise<Row[]> {
  const records: CsvRecord[] = [];
  for await (const batch of csvRecords(path)) records.push(...batch.filter(({ fields }) => !isBlank(fields)));
  const [header, ...rows] = records;
  const columns = header?.fields.map((field) => field.trim()) ?? [];
  for (const column of ['site', 'lat', 'lon']) {
    if (!columns.includes(column)) {
      throw invalid(path, 1, `the header has no column "${column}"; it needs site,lat,lon`);
    }
  }
  return rows.map(({ fields, line }) => ({
    line,
    fields: Object.fromEntries(columns.map((column, i) => [column, fields[i]?.trim() ?? ''])),
  }));
}

async function featureRows(path: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const features of featuresIn(path)) {
    for (const { id, properties, type, coordinates, line } of features) {
      if (type !== 'Point') throw invalid(path, line, 'geometry: is no Point; give a Point for each site');
      const [lon, lat] = Array.isArray(coordinates) ? coordinates : [];
      const site = fieldOf(properties.site) ?? fieldOf(properties.name) ?? fieldOf(id);
      const slots = fieldOf(properties.slots);
      rows.push({ line, fields: { site, lat: fieldOf(lat), lon: fieldOf(lon), slots } });
    }
  }
  return rows;
}

function siteIn({ fields: text }: Row, fail: (fault: string) => Error): SiteSpec {
  const number = (field: string, right: string, fits: (value: number) => boolean) => {
    const value = decimal(text[field]);
    if (fits(value)) return value;
    const what = text[field] ? `${JSON.stringify(shortened(text[field]))} is out of range` : 'is missing';
    throw fail(`${field}: ${what}; give ${right}`);
  };
  if (!text.site) throw fail('site: is missing; give a name');
  return {
    site: fitName(text.site),
    lat: number('lat', 'degrees from -90 to 90', (lat) => Math.abs(lat) <= 90),
    lon: number('lon', 'degrees from -180 to 180', (lon) => Math.abs(lon) <= 180),
    slots: text.slots
      ? number('slots', 'a whole number from 0', (slots) => Number.isSafeInteger(slots) && slots >= 0)
      : DEFAULT_SITE.slots,
    uplinks: DEFAULT_SITE.uplinks.map((uplink) => ({ ...uplink })),
  };
}

function invalid(path: string, line: number, fault: string): TagalongError {
  return new TagalongError('SITES_INVALID', `${path}:${line}: ${fault}`);
}
