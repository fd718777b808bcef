import type { SamplingReport } from './resample.ts';

/** Counts of what has been read so far. They are complete when the batches have been read to their end. */
export interface TraceReport {
  readonly format: string;
  /** Rows with data, including bad rows. */
  rows: number;
  /** Rows that were skipped. */
  bad: number;
  /** The first skipped row, as `FILE:LINE: field: what is wrong; what to write instead`. */
  firstBad?: string;
  /** Records that are not positions in their format, such as events of other types. They do not count as rows. Absent if there are none. */
  others?: number;
  /** The interval at which positions were made from the rows. If `everyMs` is null, they are the recorded positions. */
  readonly sampling: SamplingReport | { readonly everyMs: null };
}
