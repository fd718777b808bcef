import { TagalongError } from '#shared/errors.ts';
import type { Store } from '#shared/store/store.ts';

/** Each time a write is lost somebody else's was won: so many in a row are a fault, not bad luck. */
const MAX_TRIES = 50;

/**
 * Changes a record and says so on the bus: **the bus first, the store after**. So the store never knows of something
 * that was not said, whoever finds the record as it should be has nothing to do, and who dies in between says it once
 * more. A writer who lost to another says it again too: the last word on the bus is then the one that is on record.
 * @param edit from the present value to the next (`value: undefined` deletes); undefined: nothing is to be changed
 * @param announce is given the revision the change builds on
 * @throws TagalongError STORE_CONFLICT where others keep writing the record
 */
export async function sayAndRecord<T>(
  store: Store,
  key: string,
  edit: (present: T | undefined) => { readonly value: T | undefined } | undefined,
  announce: (revision: number) => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const present = await store.get<T>(key);
    const next = edit(present?.value);
    if (next === undefined) return;
    const revision = present?.revision ?? 0;
    await announce(revision);
    try {
      await store.put([{ key, value: next.value, revision }]);
      return;
    } catch (error) {
      const lost = error instanceof TagalongError && error.code === 'STORE_CONFLICT';
      if (!lost || tries === MAX_TRIES) throw error;
    }
  }
}
