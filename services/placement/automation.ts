/** Whether VMs may move because another site is better: said by an operator, kept in the store, read by every placement. */
import type { Store } from '#shared/store/store.ts';

/** What an operator said last. */
export interface Automation {
  /** True: only VMs whose home is lost are moved, and those that an operator moves. */
  readonly paused: boolean;
}

const KEY = 'placement/automation';

/** What was said last; moves are automatic where nothing was. */
export async function readAutomation(store: Store): Promise<Automation> {
  return (await store.get<Automation>(KEY))?.value ?? { paused: false };
}

/** @throws TagalongError STORE_CONFLICT where somebody else says something at the same moment */
export async function writeAutomation(store: Store, automation: Automation): Promise<void> {
  const revision = (await store.get(KEY))?.revision ?? 0;
  await store.put([{ key: KEY, value: automation, revision }]);
}
