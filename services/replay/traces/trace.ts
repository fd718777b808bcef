/**
 * Reads recorded positions of many users, in any format, as one stream of fixes in batches.
 *
 * A row that cannot be read is counted and skipped. The reader does not check whether a position is plausible (range, 0/0, speed, order):
 * ingest and placement do, for live and recorded positions alike.
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

/** An open trace. */
export interface Trace {
  readonly report: TraceReport;
  /**
   * Reads the trace from its beginning, a few thousand fixes at a time, and resets the report. It may be called again when the previous
   * reading has ended. Fixes are in the order of time, except in formats that keep the order of their file.
   * @throws TagalongError TRACE_UNREADABLE; TRACE_ROW_INVALID at the first bad row of a strict trace
   */
  batches(): AsyncIterable<readonly Fix[]>;
}

/** The formats. `sorted` is true if the files must already be in the order of time. They are not sorted, which saves time and space. */
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

/** The settings of reading a trace. */
export interface TraceOptions {
  /** True: the first bad row is an error. */
  readonly strict?: boolean;
  /** The format. @default detected by the content */
  readonly format?: TraceFormat;
  /** The names of columns, for CSV only. */
  readonly columns?: ColumnNames;
  /** Makes positions at a steady interval. @default the recorded positions */
  readonly sampling?: Sampling;
}

/**
 * Opens a trace in a format of README.md: a file or a folder of files, each of which may be gzipped.
 * @throws TagalongError TRACE_UNREADABLE if the trace cannot be opened, its format is unknown, or a column is missing; USAGE if columns
 * are named and the format is not CSV
 */
export async function openTrace(path: string, options: TraceOptions = {}): Promise<Trace> {
  const { strict = false, columns, sampling } = options;
  // Named columns mean CSV, whatever the first line looks like.
  const format = options.format ?? (columns ? 'csv' : await detectFormat(path));
  if (columns && format !== 'csv') {
    throw new TagalongError('USAGE', `--columns: goes with csv only, and this is ${format}; leave it out`);
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
