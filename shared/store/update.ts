/**
 * Reads records of a kind, and changes a record by compare-and-set. `updateRecord` is the only loop that reads, edits and writes
 * until it succeeds. Three classes write by compare-and-set without it: `OwnedRecords`, `SiteRecords` (services/sites/records.ts)
 * and `Outbox` (services/runtime/outbox.ts). Each explains why. services/README.md says which to use.
 */
import { TagalongError } from '../errors.ts';
import type { RecordKind } from './records.ts';
import type { SetAside } from './set-aside.ts';
import type { Store, Stored } from './store.ts';

/** A write is lost only if another write succeeded. So many lost writes in a row are a fault: two processes undo each other's writes. */
const MAX_TRIES = 50;

/** Reads a record; undefined if there is none. @throws TagalongError STORE_RECORD_UNREADABLE, STORE_UNREACHABLE */
export async function getRecord<T>(store: Store, kind: RecordKind<T>, key: string): Promise<Stored<T> | undefined> {
  const stored = await store.get(key);
  return stored && { ...stored, value: kind.read(stored.value) };
}

/**
 * All readable records whose key begins with `prefix`.
 * @param setAside receives the unreadable records, and releases the readable ones
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
 * Changes a record: reads it, calls `edit`, and writes the result. If another process has written the record in between, it starts
 * again. An unreadable record stays unchanged.
 * @param edit takes the present value and its revision (undefined and 0 if there is no record). It returns the next value
 * (`value: undefined` deletes the record), or undefined if nothing has to change. It is called again after each lost write
 * @returns the value of the record afterwards
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

/**
 * Deletes records, for ever where the store can do that.
 * @throws TagalongError STORE_CONFLICT if another process has written or deleted one of them: read them again; STORE_UNREACHABLE
 */
export async function eraseRecords(
  store: Store,
  records: readonly Pick<Stored<unknown>, 'key' | 'revision'>[],
): Promise<void> {
  if (records.length === 0) return;
  if (store.erase) await store.erase(records);
  else await store.put(records.map(({ key, revision }) => ({ key, revision, value: undefined })));
}

/** The next value of a record. */
export interface Edit<T> {
  /** Undefined deletes the record. */
  readonly value: T | undefined;
}

/** True for the error of an unreadable record. */
export function isUnreadable(error: unknown): error is TagalongError {
  return error instanceof TagalongError && error.code === 'STORE_RECORD_UNREADABLE';
}
