/**
 * The store port: JSON records by key, each with a revision, written by compare-and-set.
 *
 * An adapter promises: a write whose `revision` is not the record's present one changes nothing and is reported; a
 * record that was read is a copy; what `put` has resolved for is there after a restart (as far as the adapter outlives
 * the process at all). Writes of one `put` stand each for itself: some can win where others lose.
 */
export interface Store {
  get<T>(key: string): Promise<Stored<T> | undefined>;
  /** All records whose key begins with `prefix`. */
  list<T>(prefix: string): Promise<Stored<T>[]>;
  /**
   * @returns the new revisions, in the order of the writes
   * @throws TagalongError STORE_CONFLICT that names the keys that lost; the others are written
   */
  put(writes: readonly Write[]): Promise<number[]>;
  /** True, or why the store cannot be used at the moment: in words that name no server. As far as known: some seconds old. */
  connected(): true | string;
  /** A record of more bytes than this, as JSON, is not taken. May change with the server that answers. */
  readonly maxRecordBytes: number;
  close(): Promise<void>;
}

/** What a store takes of a record where its server would take more: servers usually take 1 MB. */
export const MAX_RECORD_BYTES = 900_000;

/** A record as it was read. */
export interface Stored<T> {
  readonly key: string;
  /** Undefined, whatever `T` is, where what lies there is not JSON. */
  readonly value: T;
  readonly revision: number;
}

/** One record to write, with what the writer believes to be there. */
export interface Write {
  readonly key: string;
  /** Anything JSON can say; undefined deletes the record. */
  readonly value: unknown;
  /** `value` as JSON, where the writer has made that already. */
  readonly text?: string;
  /** The revision last read or written; 0 where the record must not exist yet. */
  readonly revision: number;
}

/** The JSON that is to be stored; undefined: the record is deleted. */
export function textOf({ value, text }: Write): string | undefined {
  return value === undefined ? undefined : (text ?? JSON.stringify(value));
}

/** What was stored. Somebody else may have put there what is not JSON: undefined, so that the others can still be listed. */
export function parseRecord<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined as T;
  }
}
