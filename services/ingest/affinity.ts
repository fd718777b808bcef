/** Refuses the affinity of a declaration that contradicts itself, the sites, or the lead of its group. */
import { affinityFaults } from '#shared/config/affinity.ts';
import { relationFault } from '#shared/config/relations.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Affinity } from '#shared/events/index.ts';
import type { Store } from '#shared/store/store.ts';
import { getRecord, isUnreadable } from '#shared/store/update.ts';
import type { KnownSites } from '../sites/known.ts';
import { DECLARED_VM_RECORD, vmKey } from './vm-record.ts';

/** @throws TagalongError SITE_UNKNOWN, PARTITION_DIFFERS, EVENT_INVALID, or an error of the store */
export async function refuseContradictions(
  { store, sites }: { readonly store: Store; readonly sites: Pick<KnownSites, 'names'> },
  { vm, home, affinity }: { readonly vm: string; readonly home: string; readonly affinity: Affinity },
): Promise<void> {
  const [ofSites] = affinityFaults(affinity, home, await sites.names());
  const fault = ofSites ?? relationFault(vm, affinity, await leadOf(store, vm, affinity));
  if (fault === undefined) return;
  throw new TagalongError(fault.code ?? 'EVENT_INVALID', `${fault.path.join('.')}: ${fault.message}`);
}

/** The affinity of the lead that a VM names; null: the lead has none; undefined: it is not declared, or its record cannot be read. */
async function leadOf(store: Store, vm: string, { group }: Affinity): Promise<Affinity | null | undefined> {
  if (group === undefined || group.lead === vm) return undefined;
  try {
    return (await getRecord(store, DECLARED_VM_RECORD, vmKey(group.lead)))?.value.affinity as
      | Affinity
      | null
      | undefined;
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
}
