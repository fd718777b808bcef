/** Applies the facts of a migration to its VM, apart from the state of its machine. */
import type { FactOf } from '../../events/index.ts';
import type { EndFact } from '../../migration/outcome.ts';
import { type Lesson, type SiteTable, usableTimes } from '../state/sites.ts';
import type { Vm } from '../state/state.ts';
import type { Traffic } from '../state/traffic.ts';
import type { VmTable } from '../state/vm-table.ts';
import type { MachineEvent } from './machine-events.ts';

/** The facts about migrations that placement applies. */
export type MigrationFact = FactOf<'migration.accepted.v1' | 'migration.switched.v1'> | EndFact;

type Kind = Extract<MachineEvent, { readonly decision: string }>['type'];
const KINDS: Readonly<Record<MigrationFact['type'], Kind>> = {
  'migration.accepted.v1': 'accepted',
  'migration.switched.v1': 'switched',
  'migration.completed.v1': 'completed',
  'migration.failed.v1': 'failed',
  'migration.cancelled.v1': 'cancelled',
};

/** Converts a fact to an event of the VM's machine, at the VM's own time. */
export function machineEvent({ type, data }: MigrationFact, { nowMs }: Vm): MachineEvent {
  return { type: KINDS[type], atMs: nowMs, decision: data.migration };
}

/** The tables that the facts of a migration change. */
export interface MigrationTables {
  readonly vmTable: VmTable;
  readonly sites: SiteTable;
  readonly traffic: Traffic;
}

/**
 * Sets the home to the site where the VM runs. If the move has ended, removes it from the traffic.
 * @param vm the VM of the fact, with that move in its context
 * @returns the sample that a completed move adds to the correction of its pair; undefined where it shared its uplinks, or has not completed
 */
export function applyMigrationFact(
  fact: MigrationFact,
  vm: Vm,
  { vmTable, sites, traffic }: MigrationTables,
): Lesson | undefined {
  const { migration, from, to } = fact.data;
  const orderedBy = vm.context.move?.orderedBy;
  const ordered = orderedBy === undefined ? undefined : { orderedBy };
  switch (fact.type) {
    case 'migration.accepted.v1':
      return undefined;
    case 'migration.switched.v1':
      vmTable.rehome(vm, to);
      traffic.switched(migration, fact.data.atMs);
      return undefined;
    case 'migration.completed.v1': {
      vmTable.rehome(vm, to);
      vm.cameFrom = { site: from, atMs: vm.nowMs };
      vm.lastMove = { to, ended: 'completed', reason: '', atMs: vm.nowMs, ...ordered };
      traffic.end(migration, fact.data.atMs);
      // Its times depend on the other moves on its uplinks, so nothing about the paths is learned from them.
      if (vm.context.move!.shared) return undefined;
      const { key, sample } = sites.learn(from, to, vm.context.move!.raw, usableTimes(fact.data.figures, vm.spec));
      return { pair: key, migration, sample };
    }
    case 'migration.failed.v1':
      vmTable.rehome(vm, fact.data.runsAt);
      vm.lastMove = { to, ended: 'failed', reason: fact.data.code, atMs: vm.nowMs, ...ordered };
      traffic.end(migration, fact.data.atMs);
      return undefined;
    case 'migration.cancelled.v1':
      vm.lastMove = {
        ...{ to, ended: 'cancelled', reason: fact.data.by, atMs: vm.nowMs, ...ordered },
        ...(fact.data.cancelledBy !== undefined && { cancelledBy: fact.data.cancelledBy }),
      };
      traffic.end(migration, fact.data.atMs);
      return undefined;
  }
}
