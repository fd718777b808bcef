import type { Fix } from './fix.ts';
import type { RawRow, Rows } from './row.ts';

/** The names of the formats, apart from their readers: the command line lists them without loading any. */
export const TRACE_FORMATS = [
  'csv',
  'events',
  'cabspotting',
  'gpx',
  'geolife',
  'tdrive',
  'porto',
  'rome',
  'sumo-fcd',
  'owntracks',
  'geojson',
] as const;

export type TraceFormat = (typeof TRACE_FORMATS)[number];

/** What the columns of a CSV file are called, where that is not user, t, lat, lon. */
export type ColumnNames = Readonly<Partial<Record<keyof RawRow, string>>>;

/** Looks at a path once and gives back how to read its fixes, as often as needed. */
export type OpenFormat = (path: string, names: ColumnNames) => Promise<(rows: Rows) => AsyncIterable<readonly Fix[]>>;
