/** Derives the sites of real VMs from the records of older versions, which did not record hand-overs. */
import { MIGRATION_RECORD } from '#shared/migration/kept.ts';
import { VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import { type RecordKind, valueBesideOutbox } from '#shared/store/records.ts';
import type { Store } from '#shared/store/store.ts';

/** Stands for an unknown site. No site can have this name, so the VM is started nowhere. */
const UNKNOWN = '?';

/** The site of each VM: the one where its last move left it, otherwise its home by placement's record. */
export async function whereaboutsBefore(store: Store): Promise<Map<string, string>> {
  const sites = new Map<string, string>();
  const vms = await store.list(FOLDERS.placement);
  for (const { key, value } of vms) {
    const vm = key.slice(key.lastIndexOf('/') + 1);
    const kept = read(VM_RECORD, value);
    if (kept === undefined) sites.set(vm, UNKNOWN);
    else if (!kept.retired) sites.set(vm, kept.home);
  }
  for (const { key, value } of await store.list(FOLDERS.migrator)) {
    const vm = key.slice(FOLDERS.migrator.length);
    // Of a VM that was retired the last move is still on record.
    if (sites.has(vm)) sites.set(vm, read(MIGRATION_RECORD, value)?.migration.runsAt ?? UNKNOWN);
  }
  return sites;
}

const FOLDERS = { placement: 'placement/vm/', migrator: 'migrator/vm/' };

/** A value as the outbox stores it; undefined where it cannot be read. */
function read<T>(kind: RecordKind<T>, stored: unknown): T | undefined {
  try {
    return valueBesideOutbox(kind, stored);
  } catch {
    return undefined;
  }
}
