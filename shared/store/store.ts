/**
 * The store port: JSON records by key. Each record has a revision, and each write is a compare-and-set. services/README.md ("How a
 * record is written") says which code writes records in which way.
 *
 * Every adapter keeps these promises:
 * - A write whose `revision` is not the record's present revision changes nothing, and `put` reports it.
 * - A record that was read is a copy.
 * - When `put` resolves, its records survive a restart, unless the adapter holds them in the memory of its process.
 * - The writes of one `put` are independent: some may succeed while others fail.
 */
export interface Store {
  /**
   * The record after the last acknowledged write of any process; undefined if there is none.
   * @throws TagalongError STORE_UNREACHABLE
   */
  get<T>(key: string): Promise<Stored<T> | undefined>;
  /** All records whose key begins with `prefix`, in no order. @throws TagalongError STORE_UNREACHABLE */
  list<T>(prefix: string): Promise<Stored<T>[]>;
  /**
   * Writes records, each by compare-and-set.
   * @returns the new revisions, in the order of the writes
   * @throws TagalongError STORE_CONFLICT with the keys whose revision was not the expected one (all others are written);
   * RECORD_TOO_LONG or PAYLOAD_TOO_LARGE; STORE_UNREACHABLE: any of the records may have been written, read them again
   */
  put(writes: readonly Write[]): Promise<number[]>;
  /**
   * Deletes records for ever, each by compare-and-set: no marker with the key stays. Absent where only `put` can delete: there the
   * server removes the contents later.
   * @throws TagalongError STORE_CONFLICT with the keys of records that have another revision (all others are deleted);
   * STORE_UNREACHABLE: any of them may be deleted
   */
  erase?(records: readonly Pick<Write, 'key' | 'revision'>[]): Promise<void>;
  /**
   * Removes what the deletion of records has left: the markers whose keys contain `text`. Absent where deletions leave nothing that can
   * be removed.
   * @throws TagalongError STORE_UNREACHABLE
   */
  eraseMarkers?(text: string): Promise<void>;
  /** True, or why the store cannot be used at the moment, without the names of servers. The answer may be some seconds old. */
  connected(): true | string;
  /** The most bytes that a record may have as JSON. It may change when the client connects to another server of the cluster. */
  readonly maxRecordBytes: number;
  /** Waits for the writes under way, and closes the connection. */
  close(): Promise<void>;
}

/** The most bytes of a record, even if the server accepts more. Servers usually accept 1 MB. */
export const MAX_RECORD_BYTES = 900_000;

/** A record that was read. */
export interface Stored<T> {
  readonly key: string;
  /** Undefined, whatever `T` is, if the stored text is not JSON. */
  readonly value: T;
  readonly revision: number;
}

/** One record to write, with the revision that the writer expects. */
export interface Write {
  readonly key: string;
  /** Any JSON value; undefined deletes the record. */
  readonly value: unknown;
  /** `value` as JSON, if the writer already has it. */
  readonly text?: string;
  /** The revision last read or written; 0 if the record must not exist yet. */
  readonly revision: number;
}

/** The JSON of a write; undefined if it deletes the record. */
export function textOf({ value, text }: Write): string | undefined {
  return value === undefined ? undefined : (text ?? JSON.stringify(value));
}

/** The value of a stored text; undefined if it is not JSON, because another program wrote it. The other records can still be listed. */
export function parseRecord<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined as T;
  }
}
