/** Plays a policy through a trace, slot by slot, and adds up what it costs. */
import type { Overflow } from './overflow.ts';
import type { LabPolicy } from './policy.ts';
import { ABSENT, type CellTrace } from './trace.ts';
import type { World } from './world.ts';

/** The result of a run. */
export interface Score {
  /** All costs of serving, moving and first placements. */
  readonly cost: number;
  /** Changes of site while a user was present; first placements are none. */
  readonly moves: number;
  readonly meanPerUserSlot: number;
  /** The mean over slots of each slot's mean per user, as the authors' program has it. */
  readonly meanOfSlots: number;
}

/** A service that runs nowhere. */
const NOWHERE = -1;

/**
 * A user who appears is placed anew, and loses the service by leaving.
 * @param overflow resolves that more users want a site than it takes; without it each site takes all of them
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
