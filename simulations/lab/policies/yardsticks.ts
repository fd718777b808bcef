/** Yardsticks: policies that know the future. */
import type { LabPolicy, SlotRule, Setting } from '../policy.ts';
import { ShortestPath } from '../shortest-path.ts';
import type { CellTrace } from '../trace.ts';

/**
 * The least that any policy can cost where sites take all users; the first site is chosen freely, too. Dynamic programming;
 * as a shortest path in S. Wang et al., IEEE ICC 2015.
 */
export const optimum: LabPolicy = {
  name: 'optimum',
  sees: 'future',
  begin: (setting, future) => planner(setting, future!, Number.POSITIVE_INFINITY),
};

/**
 * Knows the next slots without error: plans for a frame of so many, follows the plan, plans the next frame. Frames begin
 * when the user appears, and the first site is chosen freely. The bound of S. Wang et al., IEEE TPDS 28(4), 2017 (arXiv
 * 1503.02735), with predictions free of error.
 */
export function lookAhead(frameSlots: number): LabPolicy {
  return {
    name: `look-ahead(${frameSlots})`,
    sees: 'future',
    begin: (setting, future) => planner(setting, future!, frameSlots),
  };
}

/** The sites of a user from a slot on. */
interface Plan {
  readonly from: number;
  readonly sites: Int16Array;
}

function planner({ world, users }: Setting, future: CellTrace, frameSlots: number): SlotRule {
  const finder = new ShortestPath(world, future);
  const plans = new Array<Plan | undefined>(users);
  const plan = (user: number, slot: number, at?: number) => {
    const sites = finder.sites(user, slot, finder.stay(user, slot, frameSlots), at);
    plans[user] = { from: slot, sites };
    return sites[0]!;
  };
  return {
    place: (user, _, slot) => plan(user, slot),
    choose(user, _, at, slot) {
      const current = plans[user]!;
      return current.sites[slot - current.from] ?? plan(user, slot, at);
    },
  };
}
