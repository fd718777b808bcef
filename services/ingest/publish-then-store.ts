import type { RecordKind } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { type Edit, isUnreadable, updateRecord } from '#shared/store/update.ts';

/**
 * Changes a record and announces the change: **publishes first, stores second**. So every stored change has been published,
 * and a request that changes nothing needs no event. A process that dies in between publishes the event once more when the client
 * repeats its request. A process that loses the compare-and-set announces again, so the last event on the bus matches the record.
 * services/README.md ("How a record is written") says when this order is right.
 * @param edit from the present value to the next (`value: undefined` deletes); undefined: no change
 * @param announce publishes the change; it gets the revision that the change builds on
 * @throws TagalongError STORE_CONFLICT where others keep writing the record; STORE_RECORD_UNREADABLE, then nothing is published and the
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
