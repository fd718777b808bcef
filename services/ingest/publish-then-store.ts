import type { RecordKind } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { type Edit, isUnreadable, updateRecord } from '#shared/store/update.ts';

/**
 * Changes a record and says so on the bus: **the bus first, the store after**. So the store never knows of something
 * that was not said, whoever finds the record as it should be has nothing to do, and who dies in between says it once
 * more. A writer who lost to another says it again too: the last word on the bus is then the one that is on record.
 * @param edit from the present value to the next (`value: undefined` deletes); undefined: nothing is to be changed
 * @param announce is given the revision the change builds on
 * @throws TagalongError STORE_CONFLICT where others keep writing the record, STORE_RECORD_UNREADABLE: nothing is said then, and the
 * record is set aside
 */
export async function publishThenStore<T>(
  { store, setAside }: { readonly store: Store; readonly setAside: SetAside },
  kind: RecordKind<T>,
  key: string,
  edit: (present: T | undefined) => Edit<T> | undefined,
  announce: (revision: number) => Promise<void>,
): Promise<void> {
  try {
    await updateRecord(store, kind, key, async (present, revision) => {
      const next = edit(present);
      if (next !== undefined) await announce(revision);
      return next;
    });
    setAside.release(key);
  } catch (error) {
    if (isUnreadable(error)) setAside.add(kind, key, error);
    throw error;
  }
}
