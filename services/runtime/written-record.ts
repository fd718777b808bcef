/** Reads records of other services together with the events that were written with them: these prove or disprove events of the bus. */
import { type RecordKind, valueBesideOutbox } from '#shared/store/records.ts';
import type { Store } from '#shared/store/store.ts';
import { isUnreadable } from '#shared/store/update.ts';

/** A record, and the events that were written with it. The next change of the record replaces them. */
export interface WrittenRecord<T> {
  readonly value: T;
  readonly outbox: readonly unknown[];
}

/**
 * Reads a record.
 * @returns undefined: there is none; `unreadable`: this program cannot read it, so it proves nothing
 * @throws TagalongError STORE_UNREACHABLE
 */
export async function readWritten<T>(
  store: Store,
  key: string,
  kind: Pick<RecordKind<T>, 'upgrade'>,
): Promise<WrittenRecord<T> | 'unreadable' | undefined> {
  const stored = await store.get<{ readonly outbox?: unknown } | undefined>(key);
  if (stored === undefined) return undefined;
  try {
    const outbox = stored.value?.outbox;
    return { value: valueBesideOutbox(kind, stored.value), outbox: Array.isArray(outbox) ? outbox : [] };
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return 'unreadable';
  }
}
