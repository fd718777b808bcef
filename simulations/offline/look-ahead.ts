import type { PlacementRule, RuleInput } from '#shared/policy/rules/published/rule.ts';
import { type RunInput, type RunResult, run } from '../engine.ts';
import { type Arrival, cheapestRoute, type PlannerInput } from './cheapest-route.ts';
import { foresee, readAll } from './foresight.ts';
import { plannerInputFor } from './planner-input.ts';
import { type Itinerary, nextPositionMs, itineraryWithin } from './itinerary.ts';

/**
 * Knows the next so many seconds without error: plans the cheapest way for a frame, follows the plan, plans the next frame (S.
 * Wang et al., IEEE TPDS 28(4), 2017, arXiv 1503.02735, with predictions free of error). A move is ordered so early that it
 * switches over as near to its planned instant as may be. Other VMs on the paths, limits and filters are not foreseen.
 */
export async function lookAhead(input: RunInput, frameS: number): Promise<RunResult> {
  const batches = await readAll(input.batches);
  const { itineraries } = await foresee({ ...input, batches });
  return run({ ...input, batches, decides: planner(frameS, itineraries, plannerInputFor(input)) });
}

/** The way of a VM until the end of a frame. */
interface Plan {
  readonly untilMs: number;
  readonly arrivals: readonly { readonly site: number; readonly atMs: number }[];
}

function planner(
  frameS: number,
  itineraries: ReadonlyMap<string, Itinerary>,
  inputFor: (spec: Itinerary['spec']) => PlannerInput,
): PlacementRule<{ plan?: Plan }> {
  const newPlan = ({ sites, nowMs }: RuleInput, itinerary: Itinerary): Plan => {
    const untilMs = nowMs + frameS * 1000;
    const frame = itineraryWithin(itinerary, nowMs, untilMs, sites[0]!.index);
    const arrivals: { site: number; atMs: number }[] = [];
    const { last } = cheapestRoute(frame, inputFor(itinerary.spec));
    for (let at: Arrival = last; at.previous; at = at.previous) {
      arrivals.unshift({ site: at.site, atMs: frame.atMs[at.position]! });
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
      let wanted = 0;
      for (const { site, atMs } of memory.plan.arrivals) {
        const place = view.sites.findIndex(({ index }) => index === site);
        if (place < 0) continue;
        // Now or at the next position, whichever is nearer to the plan.
        const orderMs = atMs - view.moveMs(0, place);
        if (orderMs - view.nowMs < nextMs - orderMs) wanted = place;
      }
      return wanted;
    },
  };
}
