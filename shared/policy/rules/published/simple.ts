/** FilterSettings that look at the present only. */
import type { PlacementRule } from './rule.ts';

const NOTHING = {};

/**
 * Goes to the site that serves best when its round trip is so much shorter, on average over the users, as in a handover
 * (3GPP TS 36.331, event A3).
 * @param marginMs milliseconds of round-trip time above the target
 */
export function hysteresis(marginMs: number): PlacementRule {
  return {
    name: `hysteresis(${marginMs})`,
    begin: () => NOTHING,
    choose: ({ serving, best, weight }) => (serving[0]! - serving[best]! >= marginMs * weight ? best : 0),
  };
}

/**
 * Takes the site for which moving there and being served from there for one slot cost least (S. Wang et al., IEEE/ACM ToN
 * 27(3), 2019).
 * @param slotS seconds; the authors' slot is a minute
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
