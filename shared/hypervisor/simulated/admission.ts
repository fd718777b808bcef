import type { FailureCode } from '../../errors.ts';
import type { Move } from '../hypervisor.ts';
import { type ActiveMove, isDone } from './active-move.ts';

/**
 * The reason why a move cannot begin; undefined if it can.
 * @param runsAt every site where the VM runs now
 * @param moves the VM's moves that are still stored
 * @param paths the number of paths between the two sites
 */
export function objection(
  { id, vm, from, to }: Move,
  runsAt: readonly string[],
  moves: Iterable<ActiveMove>,
  paths: number,
): { readonly code: FailureCode; readonly reason: string } | undefined {
  if (runsAt.length !== 1 || runsAt[0] !== from) {
    const where = runsAt.join(' and ') || 'no site';
    return { code: 'VM_ELSEWHERE', reason: `${vm} cannot leave ${from}, because it runs at ${where}` };
  }
  for (const other of moves) {
    const begun = other.underWay !== undefined || other.done > 0;
    if (other.move.id !== id && begun && !isDone(other, 'switch')) {
      return { code: 'BAD_ORDER', reason: `${vm} is already in the move ${other.move.id}; wait until that ends` };
    }
  }
  if (from === to) return { code: 'BAD_ORDER', reason: `${vm} is already at ${to}` };
  if (paths === 0) return { code: 'NO_PATH', reason: `${from} and ${to} have no provider in common` };
  return undefined;
}
