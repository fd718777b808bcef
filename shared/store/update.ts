/**
 * Reads records of a kind, and changes one by compare-and-set. `updateRecord` is the only loop that reads, edits and writes
 * anew. Three places write by compare-and-set without it: `OwnedRecords`, `SiteRecords` (services/sites/records.ts) and `Outbox`
 * (services/runtime/outbox.ts). Each says why; services/README.md says which to use.
 */
import { TagalongError } from '../errors.ts';
import type { RecordKind } from './records.ts';
import type { SetAside } from './set-aside.ts';
import type { Store, Stored } from './store.ts';

/** A write is lost only where another one has won. So many lost in a row are a fault: two processes undo each other's writes. */
const MAX_TRIES = 50;

/** The record; undefined where there is none. @throws TagalongError STORE_RECORD_UNREADABLE, STORE_UNREACHABLE */
export async function getRecord<T>(store: Store, kind: RecordKind<T>, key: string): Promise<Stored<T> | undefined> {
  const stored = await store.get(key);
  return stored && { ...stored, value: kind.read(stored.value) };
}

/**
 * All records whose key begins with `prefix` and that can be read.
 * @param setAside is told of those that cannot be read, and that the others can
 * @throws TagalongError STORE_UNREACHABLE
 */
export async function listRecords<T>(
  store: Store,
  kind: RecordKind<T>,
  prefix: string,
  setAside?: SetAside,
): Promise<Stored<T>[]> {
  const readable: Stored<T>[] = [];
  for (const stored of await store.list(prefix)) {
    try {
      readable.push({ ...stored, value: kind.read(stored.value) });
      setAside?.release(stored.key);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      setAside?.add(kind, stored.key, error);
    }
  }
  return readable;
}

/**
 * Changes a record: reads it, calls `edit`, writes the result, and begins anew where another process has written the record in
 * between. It leaves a record that cannot be read as it is.
 * @param edit takes the present value and its revision (undefined and 0 where there is no record). It returns the next value
 * (`value: undefined` deletes), or undefined where nothing has to change. It is called again after each lost write
 * @returns the value on record afterwards
 * @throws TagalongError STORE_CONFLICT after 50 lost writes in a row, STORE_RECORD_UNREADABLE, STORE_UNREACHABLE; what `edit` throws
 */
export async function updateRecord<T>(
  store: Store,
  kind: RecordKind<T>,
  key: string,
  edit: (present: T | undefined, revision: number) => Edit<T> | undefined | Promise<Edit<T> | undefined>,
): Promise<T | undefined> {
  for (let tries = 1; ; tries++) {
    const present = await getRecord(store, kind, key);
    const revision = present?.revision ?? 0;
    const next = await edit(present?.value, revision);
    if (next === undefined) return present?.value;
    try {
      await store.put([{ key, value: next.value === undefined ? undefined : kind.write(next.value), revision }]);
      return next.value;
    } catch (error) {
      const lost = error instanceof TagalongError && error.code === 'STORE_CONFLICT';
      if (!lost || tries === MAX_TRIES) throw error;
    }
  }
}

/** What a record becomes. */
export interface Edit<T> {
  /** Undefined: the record is deleted. */
  readonly value: T | undefined;
}

/** True for the error of a record that cannot be read. */
export function isUnreadable(error: unknown): error is TagalongError {
  return error instanceof TagalongError && error.code === 'STORE_RECORD_UNREADABLE';
}
