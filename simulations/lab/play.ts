/** Runs a policy over a trace, slot by slot, and adds up the costs. */
import type { Overflow } from './overflow.ts';
import type { LabPolicy } from './policy.ts';
import { ABSENT, type CellTrace } from './trace.ts';
import type { World } from './world.ts';

/** The result of a run. */
export interface Score {
  /** The cost of serving, moving and first placements. */
  readonly cost: number;
  /** The number of moves; first placements do not count. */
  readonly moves: number;
  readonly meanPerUserSlot: number;
  /** The mean over the slots of each slot's mean per user, as in the authors' program. */
  readonly meanOfSlots: number;
}

/** The site of a service that does not run. */
const NOWHERE = -1;

/**
 * Runs a policy. A user's service is placed when the user appears, and ends when the user leaves.
 * @param overflow is applied if sites have a capacity; without it, each site takes all users
 */
export function play(policy: LabPolicy, world: World, trace: CellTrace, overflow?: Overflow): Score {
  const { users, slots, load, present } = trace;
  const chooser = policy.begin({ world, users }, policy.sees === 'future' ? trace : undefined);
  const at = new Int16Array(users).fill(NOWHERE);
  const next = new Int16Array(users);
  let [cost, moves, sumOfMeans] = [0, 0, 0];
  for (let slot = 0; slot < slots; slot++) {
    const cells = trace.cells.subarray(slot * users, (slot + 1) * users);
    chooser.observe?.(slot, cells, load[slot]!);
    for (let user = 0; user < users; user++) {
      const cell = cells[user]!;
      if (cell === ABSENT) next[user] = NOWHERE;
      else if (at[user] !== NOWHERE) next[user] = chooser.choose(user, cell, at[user]!, slot);
      else next[user] = chooser.place?.(user, cell, slot) ?? world.nearest[cell]!;
    }
    overflow?.({ world, cells, at, next, chooser });
    let slotCost = 0;
    for (let user = 0; user < users; user++) {
      const to = next[user]!;
      if (to === NOWHERE) continue;
      const from = at[user]!;
      slotCost += world.serve[cells[user]! * world.sites + to]!;
      slotCost += from === NOWHERE ? world.placing : world.move[from * world.sites + to]!;
      if (from !== NOWHERE && from !== to) moves++;
    }
    cost += slotCost * load[slot]!;
    if (present[slot]! > 0) sumOfMeans += (slotCost * load[slot]!) / present[slot]!;
    at.set(next);
  }
  const meanPerUserSlot = cost / trace.userSlots;
  return { cost, moves, meanPerUserSlot, meanOfSlots: sumOfMeans / slots };
}
