/** What the news of a move changes of its VM, beside its state. */
import type { FactOf } from '../../events/index.ts';
import { type Lesson, type SiteTable, usableTimes } from '../state/sites.ts';
import type { Vm } from '../state/state.ts';
import type { VmTable } from '../state/vm-table.ts';
import type { MachineEvent } from './machine.ts';

/** What placement hears of moves. */
export type MoveNews = FactOf<
  | 'migration.accepted.v1'
  | 'migration.switched.v1'
  | 'migration.completed.v1'
  | 'migration.failed.v1'
  | 'migration.cancelled.v1'
>;

type Kind = Extract<MachineEvent, { readonly decision: string }>['type'];
const KINDS: Readonly<Record<MoveNews['type'], Kind>> = {
  'migration.accepted.v1': 'accepted',
  'migration.switched.v1': 'switched',
  'migration.completed.v1': 'completed',
  'migration.failed.v1': 'failed',
  'migration.cancelled.v1': 'cancelled',
};

/** The same for the VM's machine, at the VM's own time. */
export function machineEvent({ type, data }: MoveNews, { nowMs }: Vm): MachineEvent {
  return { type: KINDS[type], atMs: nowMs, decision: data.migration };
}

/** Takes a move that ended, or never began, off the sites and the paths that it was counted against. */
export function endMove({ context: { move } }: Vm, sites: SiteTable): void {
  if (move) sites.count(sites.named(move.from), sites.named(move.to), move.paths, -1);
}

/**
 * Puts the VM where it runs now, and frees what the move held where it has ended.
 * @param vm one that is under this move
 * @returns what a completed move taught of its way
 */
export function follow(news: MoveNews, vm: Vm, vmTable: VmTable, sites: SiteTable): Lesson | undefined {
  const { migration, from, to } = news.data;
  switch (news.type) {
    case 'migration.accepted.v1':
      return undefined;
    case 'migration.switched.v1':
      vmTable.rehome(vm, to);
      return undefined;
    case 'migration.completed.v1': {
      vmTable.rehome(vm, to);
      const { key, sample } = sites.learn(from, to, vm.context.move!.raw, usableTimes(news.data.figures, vm.spec));
      vm.cameFrom = { site: from, atMs: vm.nowMs };
      endMove(vm, sites);
      return { pair: key, migration, sample };
    }
    case 'migration.failed.v1':
      vmTable.rehome(vm, news.data.runsAt);
      endMove(vm, sites);
      return undefined;
    case 'migration.cancelled.v1':
      endMove(vm, sites);
      return undefined;
  }
}
