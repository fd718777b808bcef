/**
 * Recorded positions of many users, from whatever format they come in, as one stream of fixes in batches.
 *
 * A row that cannot be read is counted and skipped. Whether a position is plausible (range, 0/0, speed, order) is not
 * asked here: the filter behind ingest does that, for live positions and recorded ones alike.
 */
import { openCabspotting } from './cabspotting.ts';
import { openCsv } from './csv.ts';
import { detectFormat } from './detect.ts';
import { openGpx } from './gpx.ts';
import { type ReadRow, rowReader } from './row.ts';

/** Where a user was. */
export interface Fix {
  /** Fit for the event schema (see `names.ts`). */
  readonly user: string;
  /** Whole milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** Degrees, finite, but not checked for their range. */
  readonly lat: number;
  readonly lon: number;
}

/** What has been read so far; complete when the batches have been read to their end. */
export interface TraceReport {
  readonly format: string;
  /** Rows with data, the bad ones among them. */
  rows: number;
  /** Rows that were skipped. */
  bad: number;
  /** The first of them, as `FILE:LINE: field: what is wrong, what would be right`. */
  firstBad?: string;
}

export interface Trace {
  readonly report: TraceReport;
  /**
   * Reads the trace from its beginning, a few thousand fixes at a time, and counts the report anew; it can be called
   * again when the reading before has ended. CSV comes in the order of the file; the other formats by time.
   *
   * @throws TagalongError TRACE_UNREADABLE; TRACE_ROW_INVALID at the first bad row of a strict trace
   */
  batches(): AsyncIterable<readonly Fix[]>;
}

export type TraceFormat = 'csv' | 'cabspotting' | 'gpx';

/** Looks at a path once and gives back how to read its fixes, as often as needed. */
export type OpenFormat = (path: string) => Promise<(read: ReadRow) => AsyncIterable<readonly Fix[]>>;

const OPEN: Record<TraceFormat, OpenFormat> = { csv: openCsv, cabspotting: openCabspotting, gpx: openGpx };

/**
 * Opens a trace: a CSV file with columns user, t, lat, lon; a folder (or one file) of raw Cabspotting; a GPX file or a
 * folder of them. Each may be gzipped.
 *
 * @param options.strict the first bad row is an error
 * @param options.format overrules what the content looks like
 * @throws TagalongError TRACE_UNREADABLE where it cannot be opened, its format is not known or a column is missing
 */
export async function openTrace(
  path: string,
  options: { readonly strict?: boolean; readonly format?: TraceFormat } = {},
): Promise<Trace> {
  const format = options.format ?? (await detectFormat(path));
  const fixes = await OPEN[format](path);
  const report: TraceReport = { format, rows: 0, bad: 0 };
  return {
    report,
    batches() {
      Object.assign(report, { rows: 0, bad: 0, firstBad: undefined });
      return fixes(rowReader(report, options.strict ?? false));
    },
  };
}
