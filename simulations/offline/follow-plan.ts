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

interface Followed {
  plan?: Plan;
  /** Index of the last arrival that was due; -1: none was. */
  due: number;
}

/**
 * A rule that follows plans. It orders a move so early that the VM switches over as near to the planned instant as possible.
 * @param planOf makes a plan for a VM, from its present site
 * @param mayReturn true: a VM that arrives before the planned instant goes back to the site before until then
 */
export function planFollower(
  name: string,
  { itineraries }: Foresight,
  planOf: (view: RuleInput, itinerary: Itinerary) => Plan,
  mayReturn = false,
): PlacementRule<Followed> {
  return {
    name,
    begin: () => ({ due: -1 }),
    choose(view, memory) {
      const itinerary = itineraries.get(view.vm)!;
      if (memory.plan === undefined || view.nowMs >= memory.plan.untilMs) {
        memory.plan = planOf(view, itinerary);
        memory.due = -1;
      }
      const { arrivals } = memory.plan;
      const nextMs = nextPositionMs(itinerary, view.nowMs);
      let chosen = 0;
      for (let i = 0; i < arrivals.length; i++) {
        const { site, atMs } = arrivals[i]!;
        const candidate = view.sites.findIndex(({ index }) => index === site);
        if (candidate < 0) continue;
        // The policy can order the move now or at the next position. It takes the instant that is nearer to the plan.
        const orderMs = atMs - view.moveMs(0, candidate);
        if (i > memory.due && orderMs - view.nowMs >= nextMs - orderMs) continue;
        chosen = candidate;
        if (!mayReturn) memory.due = Math.max(memory.due, i);
      }
      return chosen;
    },
  };
}
