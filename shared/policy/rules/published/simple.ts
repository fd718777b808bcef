/** Rules that consider only the present, without a memory. */
import type { PlacementRule } from './rule.ts';

const NOTHING = {};

/**
 * Chooses the site that serves best if its round-trip time is shorter by a margin, on average over the users, as in a handover (3GPP
 * TS 36.331, event A3).
 * @param marginMs the margin, in ms of round-trip time above the target
 */
export function hysteresis(marginMs: number): PlacementRule {
  return {
    name: `hysteresis(${marginMs})`,
    begin: () => NOTHING,
    choose: ({ serving, best, weight }) => (serving[0]! - serving[best]! >= marginMs * weight ? best : 0),
  };
}

/**
 * Chooses the site with the least sum of the price of the move and the cost of serving for one slot (S. Wang et al., IEEE/ACM ToN
 * 27(3), 2019).
 * @param slotS length of a slot in seconds; the authors' slot is a minute
 */
export function myopic(slotS: number): PlacementRule {
  return {
    name: `myopic(${slotS})`,
    begin: () => NOTHING,
    choose(view) {
      let chosen = 0;
      let least = slotS * view.serving[0]!;
      for (let i = 1; i < view.sites.length; i++) {
        const servedUserMs = slotS * view.serving[i]!;
        if (servedUserMs >= least) continue;
        const costUserMs = servedUserMs + view.moveCostUserMs(0, i);
        if (costUserMs >= least) continue;
        chosen = i;
        least = costUserMs;
      }
      return chosen;
    },
  };
}
