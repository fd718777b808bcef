import type { SamplingReport } from './resample.ts';

/** What has been read so far; complete when the batches have been read to their end. */
export interface TraceReport {
  readonly format: string;
  /** Rows with data, the bad ones among them. */
  rows: number;
  /** Rows that were skipped. */
  bad: number;
  /** The first of them, as `FILE:LINE: field: what is wrong, what would be right`. */
  firstBad?: string;
  /** Records that are no positions by their format, events of other types say; no rows. Left out where there are none. */
  others?: number;
  /** How the positions were made from the rows; `everyMs` null: they are those that were recorded. */
  readonly sampling: SamplingReport | { readonly everyMs: null };
}
