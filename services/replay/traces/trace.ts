/**
 * Recorded positions of many users, from whatever format they come in, as one stream of fixes in batches.
 *
 * A row that cannot be read is counted and skipped. Whether a position is plausible (range, 0/0, speed, order) is not
 * asked here: the filter behind ingest does that, for live positions and recorded ones alike.
 */
import { TagalongError } from '#shared/errors.ts';
import { byTime } from './by-time.ts';
import { openCabspotting } from './cabspotting.ts';
import { openCsv } from './csv.ts';
import { detectFormat } from './detect.ts';
import { openEvents } from './events.ts';
import type { Fix } from './fix.ts';
import type { ColumnNames, OpenFormat, TraceFormat } from './formats.ts';
import { openGeojson } from './geojson.ts';
import { openGeolife } from './geolife.ts';
import { openGpx } from './gpx.ts';
import { openOwntracks } from './owntracks.ts';
import { openPorto } from './porto.ts';
import type { TraceReport } from './report.ts';
import { resample, type Sampling } from './resample.ts';
import { openRome } from './rome.ts';
import { rowReader } from './row.ts';
import { openSumoFcd } from './sumo-fcd.ts';
import { openTdrive } from './tdrive.ts';

export interface Trace {
  readonly report: TraceReport;
  /**
   * Reads the trace from its beginning, a few thousand fixes at a time, and counts the report anew; it can be called
   * again when the reading before has ended. By time, but for the formats that keep the order of their file.
   *
   * @throws TagalongError TRACE_UNREADABLE; TRACE_ROW_INVALID at the first bad row of a strict trace
   */
  batches(): AsyncIterable<readonly Fix[]>;
}

/** `sorted`: its files are in order of time, or have to be; they are not put in order, which would take time and space. */
const FORMATS: Record<TraceFormat, { readonly open: OpenFormat; readonly sorted: boolean }> = {
  csv: { open: openCsv, sorted: true },
  events: { open: openEvents, sorted: false },
  cabspotting: { open: openCabspotting, sorted: false },
  gpx: { open: openGpx, sorted: false },
  geolife: { open: openGeolife, sorted: false },
  tdrive: { open: openTdrive, sorted: false },
  porto: { open: openPorto, sorted: false },
  rome: { open: openRome, sorted: true },
  'sumo-fcd': { open: openSumoFcd, sorted: true },
  owntracks: { open: openOwntracks, sorted: false },
  geojson: { open: openGeojson, sorted: false },
};

/** How a trace is read, and what is made of it. */
export interface TraceOptions {
  /** The first bad row is an error. */
  readonly strict?: boolean;
  /** Overrules what the content looks like. */
  readonly format?: TraceFormat;
  /** Of CSV. */
  readonly columns?: ColumnNames;
  /** Left out: the positions stay those that were recorded. */
  readonly sampling?: Sampling;
}

/**
 * Opens a trace in one of the formats that README.md lists, a file or a folder of them, each perhaps gzipped.
 * @throws TagalongError TRACE_UNREADABLE where it cannot be opened, its format is not known or a column is missing;
 *   USAGE where columns are named and it is no CSV
 */
export async function openTrace(path: string, options: TraceOptions = {}): Promise<Trace> {
  const { strict = false, columns, sampling } = options;
  // Whoever names columns says that it is CSV, whatever its first line looks like.
  const format = options.format ?? (columns ? 'csv' : await detectFormat(path));
  if (columns && format !== 'csv') {
    throw new TagalongError('USAGE', `--columns: ${format} has none to be named, they are for csv`);
  }
  const { open, sorted } = FORMATS[format];
  const fixes = await open(path, columns ?? {});
  const report: TraceReport = {
    format,
    rows: 0,
    bad: 0,
    sampling: sampling === undefined ? { everyMs: null } : { ...sampling, sessions: 0, positions: 0 },
  };
  return {
    report,
    batches() {
      Object.assign(report, { rows: 0, bad: 0, firstBad: undefined, others: undefined });
      const read = fixes(rowReader(report, strict));
      const inOrder = sorted ? read : byTime(read);
      if (report.sampling.everyMs === null) return inOrder;
      return resample(inOrder, Object.assign(report.sampling, { sessions: 0, positions: 0 }));
    },
  };
}
