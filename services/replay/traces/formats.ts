import type { Fix } from './fix.ts';
import type { RawRow, Rows } from './row.ts';

/** The names of the formats. They are separate from the readers, so the command line lists them without loading any reader. */
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

/** The name of a format. */
export type TraceFormat = (typeof TRACE_FORMATS)[number];

/** The names of the columns of a CSV file that are not called user, t, lat or lon. */
export type ColumnNames = Readonly<Partial<Record<keyof RawRow, string>>>;

/** Opens a trace. The result reads its fixes from the beginning, and may be called several times. */
export type OpenFormat = (path: string, names: ColumnNames) => Promise<(rows: Rows) => AsyncIterable<readonly Fix[]>>;
