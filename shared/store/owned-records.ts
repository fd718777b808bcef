import type { RecordKind } from './records.ts';
import type { SetAside } from './set-aside.ts';
import type { Store } from './store.ts';
import { listRecords } from './update.ts';

/**
 * Records of one kind that only the leader writes. A process reads them when it becomes the leader, and writes each with the revision
 * that it knows. It does not retry a lost write: another process is the leader then, and this process must not overwrite its records.
 * To change a record that several processes write, use `updateRecord`.
 */
export class OwnedRecords<T> {
  readonly #store: Store;
  readonly #kind: RecordKind<T>;
  readonly #prefix: string;
  #setAside: SetAside | undefined;
  readonly #records = new Map<string, { readonly value: T; readonly revision: number }>();

  /** @param options.prefix the part of the keys before the record's name */
  constructor(options: { readonly store: Store; readonly kind: RecordKind<T>; readonly prefix: string }) {
    this.#store = options.store;
    this.#kind = options.kind;
    this.#prefix = options.prefix;
  }

  /** The number of readable records. */
  get size(): number {
    return this.#records.size;
  }

  /** The record as this process last read or wrote it. */
  get(name: string): T | undefined {
    return this.#records.get(name)?.value;
  }

  /** The names of the records whose value `matches`. */
  names(matches: (value: T) => boolean): string[] {
    return [...this.#records].filter(([, { value }]) => matches(value)).map(([name]) => name);
  }

  /** True if the store has this record, but it cannot be read. */
  isUnreadable(name: string): boolean {
    return this.#setAside?.get(this.#prefix + name) !== undefined;
  }

  /**
   * Discards the records in memory and reads all records from the store.
   * @param setAside receives the unreadable records
   * @returns the readable records, by name
   * @throws TagalongError STORE_UNREACHABLE
   */
  async load(setAside: SetAside): Promise<ReadonlyMap<string, T>> {
    this.forget();
    this.#setAside = setAside;
    for (const { key, value, revision } of await listRecords(this.#store, this.#kind, this.#prefix, setAside)) {
      this.#records.set(key.slice(this.#prefix.length), { value, revision });
    }
    return new Map([...this.#records].map(([name, { value }]) => [name, value]));
  }

  /** Discards the records in memory, including the list of unreadable ones. Called when this process is no longer the leader. */
  forget(): void {
    this.#records.clear();
    for (const { key } of this.#setAside?.list([this.#kind.kind]) ?? []) {
      if (key.startsWith(this.#prefix)) this.#setAside?.release(key);
    }
  }

  /**
   * Writes a record, or deletes it if `value` is undefined.
   * @throws TagalongError STORE_CONFLICT if another process has written the record; STORE_UNREACHABLE
   */
  async write(name: string, value: T | undefined): Promise<void> {
    const written = value === undefined ? undefined : this.#kind.write(value);
    const expected = this.#records.get(name)?.revision ?? 0;
    const [revision] = await this.#store.put([{ key: this.#prefix + name, value: written, revision: expected }]);
    if (value === undefined) this.#records.delete(name);
    else this.#records.set(name, { value, revision: revision! });
  }
}
