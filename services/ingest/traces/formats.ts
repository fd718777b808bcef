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
