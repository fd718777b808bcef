/** Orders moves in place of placement: writes the decision into the VM's record, as placement does, and publishes it. */
import { readFileSync } from 'node:fs';
import { MIGRATION_PREFIX } from '#services/migrator/steps.ts';
import { keyOf, VM_PREFIX } from '#services/placement/keys.ts';
import type { Bus } from '#shared/bus/bus.ts';
import { type Data, envelop, type Fact } from '#shared/events/index.ts';
import { keepMigration, MIGRATION_RECORD } from '#shared/migration/kept.ts';
import { newMigration } from '#shared/migration/migration.ts';
import { type KeptVm, VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import { valueBesideOutbox } from '#shared/store/records.ts';
import type { Store } from '#shared/store/store.ts';

const GOLDEN = new URL(`contract/records/vm.v${VM_RECORD.version}.json`, import.meta.url);

/** Any VM that placement has stored. */
function anyVm(): KeptVm {
  const [{ value }] = JSON.parse(readFileSync(GOLDEN, 'utf8')) as [{ value: unknown }];
  return valueBesideOutbox(VM_RECORD, value);
}

/** @param fact a decision to move a VM. @param partitions of the bus */
export async function orderMove(bus: Bus, store: Store, fact: Fact, partitions = 16): Promise<void> {
  const data = fact.data as Data<'placement.decided.v1'>;
  await writeOrder(store, data, partitions);
  await bus.publish([envelop(fact, data.decision, '/test')]);
}

/** Writes a decision into the record of its VM. A VM without a record gets one. @param change of the record */
export async function writeOrder(
  store: Store,
  { vm, seq, decision, from, to, atMs }: Data<'placement.decided.v1'>,
  partitions = 16,
  change: Partial<KeptVm> = {},
): Promise<void> {
  const key = VM_PREFIX + keyOf(vm, partitions);
  const stored = await store.get(key);
  const before = stored ? valueBesideOutbox(VM_RECORD, stored.value) : { ...anyVm(), id: vm, home: from };
  const move: NonNullable<KeptVm['mind']['move']> = {
    ...{ decision, from, to, source: 'policy', paths: [], switched: false, cancelling: false, giveUpAtMs: null },
    ...{ raw: { durationMs: 1, interruptionMs: 1 }, orderedAtMs: atMs, delayUserMsPerS: 0, shared: false },
  };
  const mind = { vm, seq, deadlineMs: null, move, failures: 0 };
  const value: KeptVm = { ...before, state: 'moving', mind, nowMs: Math.max(before.nowMs, atMs), ...change };
  const record = { v: VM_RECORD.version, value, outbox: [] };
  await store.put([{ key, value: record, revision: stored?.revision ?? 0 }]);
}

/** Writes the record of a migration that the migrator has accepted. */
export async function writeMigration(store: Store, decided: Data<'placement.decided.v1'>): Promise<void> {
  const key = MIGRATION_PREFIX + decided.vm;
  const value = keepMigration({ state: 'queued', migration: newMigration(decided, []) });
  const record = { v: MIGRATION_RECORD.version, value, outbox: [] };
  await store.put([{ key, value: record, revision: (await store.get(key))?.revision ?? 0 }]);
}
