/**
 * The store port: JSON records by key, each with a revision, written by compare-and-set. services/README.md ("How a record is
 * written") says which code writes records in which way.
 *
 * An adapter promises: a write whose `revision` is not the record's present one changes nothing and is reported; a record that was
 * read is a copy; what `put` has resolved for is there after a restart (where the adapter outlives the process at all). The
 * writes of one `put` are independent: some may win where others lose.
 */
export interface Store {
  /**
   * The record as the last acknowledged write left it, of any process; undefined where there is none.
   * @throws TagalongError STORE_UNREACHABLE
   */
  get<T>(key: string): Promise<Stored<T> | undefined>;
  /** All records whose key begins with `prefix`, in no order. @throws TagalongError STORE_UNREACHABLE */
  list<T>(prefix: string): Promise<Stored<T>[]>;
  /**
   * Writes records, each by compare-and-set.
   * @returns the new revisions, in the order of the writes
   * @throws TagalongError STORE_CONFLICT with the keys that lost, and the others are written; RECORD_TOO_LONG or PAYLOAD_TOO_LARGE;
   * STORE_UNREACHABLE, and then read to learn which writes were made
   */
  put(writes: readonly Write[]): Promise<number[]>;
  /** True, or why the store cannot be used at the moment, in words that name no server. It may be some seconds old. */
  connected(): true | string;
  /** The most bytes of a record, as JSON. It may change when another server of a cluster answers. */
  readonly maxRecordBytes: number;
  /** Resolves when writes under way are finished, and the connection is closed. */
  close(): Promise<void>;
}

/** The most bytes of a record where the server would take more: servers usually take 1 MB. */
export const MAX_RECORD_BYTES = 900_000;

/** A record as it was read. */
export interface Stored<T> {
  readonly key: string;
  /** Undefined, whatever `T` is, where the store holds no JSON. */
  readonly value: T;
  readonly revision: number;
}

/** One record to write, with the revision that the writer expects. */
export interface Write {
  readonly key: string;
  /** Any JSON value; undefined deletes the record. */
  readonly value: unknown;
  /** `value` as JSON, where the writer has it already. */
  readonly text?: string;
  /** The revision last read or written; 0 where the record must not exist yet. */
  readonly revision: number;
}

/** The JSON of a write; undefined where it deletes the record. */
export function textOf({ value, text }: Write): string | undefined {
  return value === undefined ? undefined : (text ?? JSON.stringify(value));
}

/** The value of a stored text; undefined where a foreign writer has put there what is no JSON, so that other records can still be listed. */
export function parseRecord<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined as T;
  }
}
