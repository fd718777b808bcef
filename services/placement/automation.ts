/** An operator may pause the moves to better sites. The order is one record in the store, which every placement reads. */
import Type, { type Static } from 'typebox';
import { closed, recordKind, Text } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { getRecord, isUnreadable, updateRecord } from '#shared/store/update.ts';

const StoredAutomation = Type.Object(
  {
    /** True: only VMs whose home is lost are moved, and those that an operator moves. */
    paused: Type.Boolean(),
    /** The name of its orderer. */
    by: Type.Optional(Text),
  },
  closed,
);
/** An operator's last order. */
export type Automation = Static<typeof StoredAutomation>;

/** The key of its record. */
const AUTOMATION_KEY = 'placement/automation';

/** The kind of its record. */
export const AUTOMATION_RECORD = recordKind({
  kind: 'automation',
  keys: AUTOMATION_KEY,
  owner: 'placement',
  version: 2,
  schema: StoredAutomation,
  // Version 1 does not say who ordered it.
  upgrade: { 0: (old) => old, 1: (old) => old },
});

/**
 * The last order; moves are automatic where there is none.
 * @throws TagalongError STORE_RECORD_UNREADABLE
 */
export async function readAutomation(store: Store): Promise<Automation> {
  return (await getRecord(store, AUTOMATION_RECORD, AUTOMATION_KEY))?.value ?? { paused: false };
}

/**
 * The last order about automatic moves; undefined if the record cannot be read. It is set aside then.
 * @throws TagalongError of the store
 */
export async function loadAutomation(store: Store, setAside: SetAside): Promise<Automation | undefined> {
  try {
    const automation = await readAutomation(store);
    setAside.release(AUTOMATION_KEY);
    return automation;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    setAside.add(AUTOMATION_RECORD, AUTOMATION_KEY, error);
    return undefined;
  }
}

/** Writes an order. @throws TagalongError STORE_CONFLICT where others keep writing, STORE_RECORD_UNREADABLE */
export async function writeAutomation(store: Store, automation: Automation): Promise<void> {
  await updateRecord(store, AUTOMATION_RECORD, AUTOMATION_KEY, () => ({ value: automation }));
}
