import type { PlacementRule, RuleInput } from '#shared/policy/rules/published/rule.ts';
import { type RunResult, run } from '../engine.ts';
import { type Arrival, cheapestRoute } from './cheapest-route.ts';
import { type Foresight, foresightBefore, type PlannedRunInput } from './foresight.ts';
import { type Itinerary, itineraryWithin, nextPositionMs } from './itinerary.ts';

/**
 * Runs the look-ahead policy (S. Wang et al., IEEE TPDS 28(4), 2017, arXiv 1503.02735, with predictions free of error). It knows
 * the positions of the next `frameS` seconds, plans the cheapest route for them, follows the plan to its end, and plans again.
 *
 * It orders a move so early that the VM switches over as near to the planned instant as possible. It does not foresee other moves
 * on the paths, limits and filters.
 */
export async function lookAhead(planned: PlannedRunInput, frameS: number): Promise<RunResult> {
  const { foresight, input } = await foresightBefore(planned);
  return run({ ...input, policyOverride: planner(frameS, foresight) });
}

/** The route of a VM until the end of a frame. */
interface Plan {
  readonly untilMs: number;
  readonly arrivals: readonly { readonly site: number; readonly atMs: number }[];
}

function planner(frameS: number, { itineraries, inputFor }: Foresight): PlacementRule<{ plan?: Plan }> {
  const newPlan = ({ sites, nowMs }: RuleInput, itinerary: Itinerary): Plan => {
    const untilMs = nowMs + frameS * 1000;
    const frame = itineraryWithin(itinerary, nowMs, untilMs, sites[0]!.index);
    const arrivals: { site: number; atMs: number }[] = [];
    const { last } = cheapestRoute(frame, inputFor(itinerary.spec));
    for (let at: Arrival = last; at.previous; at = at.previous) {
      arrivals.unshift({ site: at.site, atMs: frame.atMs[at.entry]! });
    }
    return { untilMs, arrivals };
  };
  return {
    name: `look-ahead(${frameS})`,
    begin: () => ({}),
    choose(view, memory) {
      const itinerary = itineraries.get(view.vm)!;
      if (memory.plan === undefined || view.nowMs >= memory.plan.untilMs) memory.plan = newPlan(view, itinerary);
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
