/** Carries plans out: the part of a planner that is a policy. */
import type { PlacementRule, RuleInput } from '#shared/policy/rules/published/rule.ts';
import type { Arrival } from './cheapest-route.ts';
import type { Foresight } from './foresight.ts';
import { type Itinerary, nextPositionMs } from './itinerary.ts';

/** The route of a VM until the next plan. */
export interface Plan {
  /** When a new plan is made; Infinity: never. */
  readonly untilMs: number;
  readonly arrivals: readonly { readonly site: number; readonly atMs: number }[];
}

/** The arrivals after the first one, in order of time. @param atMs the times of the entries of the route's itinerary */
export function arrivalsOf(last: Arrival, atMs: readonly number[]): Plan['arrivals'] {
  const arrivals: { site: number; atMs: number }[] = [];
  for (let at: Arrival = last; at.previous; at = at.previous) {
    arrivals.push({ site: at.site, atMs: atMs[at.entry]! });
  }
  return arrivals.reverse();
}

/**
 * A rule that follows plans. It orders a move so early that the VM switches over as near to the planned instant as possible.
 * @param planOf makes a plan for a VM, from its present site
 */
export function planFollower(
  name: string,
  { itineraries }: Foresight,
  planOf: (view: RuleInput, itinerary: Itinerary) => Plan,
): PlacementRule<{ plan?: Plan }> {
  return {
    name,
    begin: () => ({}),
    choose(view, memory) {
      const itinerary = itineraries.get(view.vm)!;
      if (memory.plan === undefined || view.nowMs >= memory.plan.untilMs) memory.plan = planOf(view, itinerary);
      const nextMs = nextPositionMs(itinerary, view.nowMs);
      let chosen = 0;
      for (const { site, atMs } of memory.plan.arrivals) {
        const candidate = view.sites.findIndex(({ index }) => index === site);
        if (candidate < 0) continue;
        // The policy can order the move now or at the next position. It takes the instant that is nearer to the plan.
        const orderMs = atMs - view.moveMs(0, candidate);
        if (orderMs - view.nowMs < nextMs - orderMs) chosen = candidate;
      }
      return chosen;
    },
  };
}
