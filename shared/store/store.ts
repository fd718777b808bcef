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
  close(): Promise<void>;
}

/** A record as it was read. */
export interface Stored<T> {
  readonly key: string;
  readonly value: T;
  readonly revision: number;
}

/** One record to write, with what the writer believes to be there. */
export interface Write {
  readonly key: string;
  /** Anything JSON can say; undefined deletes the record. */
  readonly value: unknown;
  /** The revision last read or written; 0 where the record must not exist yet. */
  readonly revision: number;
}
