/** Records of a kind: read one or many, and change one by compare-and-set. */
import { TagalongError } from '../errors.ts';
import type { RecordKind } from './records.ts';
import type { SetAside } from './set-aside.ts';
import type { Store, Stored } from './store.ts';

/** Each time a write is lost somebody else's was won: so many in a row are a fault, not bad luck. */
const MAX_TRIES = 50;

/** A record; undefined where there is none. @throws TagalongError STORE_RECORD_UNREADABLE */
export async function getRecord<T>(store: Store, kind: RecordKind<T>, key: string): Promise<Stored<T> | undefined> {
  const stored = await store.get(key);
  return stored && { ...stored, value: kind.read(stored.value) };
}

/** All records whose key begins with `prefix` and that can be read; the others are set aside, where somebody keeps a list of them. */
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
 * Changes a record: reads it, has it edited, writes it, and begins anew where somebody else has written it meanwhile. One that
 * cannot be read is left as it is.
 * @param edit from the present value to the next (`value: undefined` deletes); undefined: nothing is to be changed. It is given
 * the revision that the change builds on, and may be called several times
 * @returns what is on record then
 * @throws TagalongError STORE_CONFLICT where others keep writing the record, STORE_RECORD_UNREADABLE
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

/** What a record is to be; undefined: nothing any more. */
export interface Edit<T> {
  readonly value: T | undefined;
}

/** True: a record is as nobody can read it. */
export function isUnreadable(error: unknown): error is TagalongError {
  return error instanceof TagalongError && error.code === 'STORE_RECORD_UNREADABLE';
}
