/** Whether VMs may move because another site is better: said by an operator, kept in the store, read by every placement. */
import Type, { type Static } from 'typebox';
import { closed, recordKind } from '#shared/store/records.ts';
import type { Store } from '#shared/store/store.ts';
import { getRecord, updateRecord } from '#shared/store/update.ts';

const KeptAutomation = Type.Object(
  {
    /** True: only VMs whose home is lost are moved, and those that an operator moves. */
    paused: Type.Boolean(),
  },
  closed,
);
/** What an operator said last. */
export type Automation = Static<typeof KeptAutomation>;

/** Where it lies. */
export const AUTOMATION_KEY = 'placement/automation';

/** The kind of that record. */
export const AUTOMATION_RECORD = recordKind({
  kind: 'automation',
  keys: AUTOMATION_KEY,
  owner: 'placement',
  version: 1,
  schema: KeptAutomation,
  upgrade: { 0: (old) => old },
});

/**
 * What was said last; moves are automatic where nothing was.
 * @throws TagalongError STORE_RECORD_UNREADABLE
 */
export async function readAutomation(store: Store): Promise<Automation> {
  return (await getRecord(store, AUTOMATION_RECORD, AUTOMATION_KEY))?.value ?? { paused: false };
}

/** @throws TagalongError STORE_CONFLICT where others keep saying something, STORE_RECORD_UNREADABLE */
export async function writeAutomation(store: Store, automation: Automation): Promise<void> {
  await updateRecord(store, AUTOMATION_RECORD, AUTOMATION_KEY, () => ({ value: automation }));
}
