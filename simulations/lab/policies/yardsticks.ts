/** Yardsticks: policies that know the future. */
import type { LabPolicy, Setting, SlotRule } from '../policy.ts';
import { ShortestPath } from '../shortest-path.ts';
import type { CellTrace } from '../trace.ts';

/**
 * The least cost of any policy, if sites take all users. It is free to choose the first site, too. Dynamic programming finds it, as a
 * shortest path in S. Wang et al., IEEE ICC 2015.
 */
export const optimum: LabPolicy = {
  name: 'optimum',
  sees: 'future',
  begin: (setting, future) => planner(setting, future!, Number.POSITIVE_INFINITY),
};

/**
 * Knows the next `frameSlots` slots without error. It plans for such a frame, follows the plan, and plans the next frame. The first frame
 * begins when the user appears, with a free choice of the first site. This is the bound of S. Wang et al., IEEE TPDS 28(4), 2017
 * (arXiv 1503.02735), with predictions free of error.
 */
export function lookAhead(frameSlots: number): LabPolicy {
  return {
    name: `look-ahead(${frameSlots})`,
    sees: 'future',
    begin: (setting, future) => planner(setting, future!, frameSlots),
  };
}

/** The planned sites of a user, from a slot on. */
interface Plan {
  readonly from: number;
  readonly sites: Int16Array;
}

function planner({ world, users }: Setting, future: CellTrace, frameSlots: number): SlotRule {
  const finder = new ShortestPath(world, future);
  const plans = new Array<Plan | undefined>(users);
  const plan = (user: number, slot: number, at?: number) => {
    const sites = finder.sites(user, slot, finder.slotsPresent(user, slot, frameSlots), at);
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
