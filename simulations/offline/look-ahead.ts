import type { RuleInput } from '#shared/policy/rules/published/rule.ts';
import { type RunResult, run } from '../engine.ts';
import { cheapestRoute } from './cheapest-route.ts';
import { arrivalsOf, planFollower } from './follow-plan.ts';
import { foresightBefore, type PlannedRunInput } from './foresight.ts';
import { type Itinerary, itineraryAhead, itineraryWithin } from './itinerary.ts';

/** A receding horizon is planned anew after this share of it. */
const REPLANNED_AFTER = 0.1;

/**
 * Runs the look-ahead policy (S. Wang et al., IEEE TPDS 28(4), 2017, arXiv 1503.02735, with predictions free of error). It knows
 * the positions of the next `frameS` seconds, plans the cheapest route for them, follows the plan to its end, and plans again.
 *
 * It does not foresee other moves on the paths, limits and filters.
 */
export async function lookAhead(planned: PlannedRunInput, frameS: number): Promise<RunResult> {
  const { foresight, input } = await foresightBefore(planned);
  const planOf = ({ sites, nowMs }: RuleInput, itinerary: Itinerary) => {
    const untilMs = nowMs + frameS * 1000;
    const frame = itineraryWithin(itinerary, nowMs, untilMs, sites[0]!.index);
    const { last } = cheapestRoute(frame, foresight.inputFor(itinerary.spec));
    return { untilMs, arrivals: arrivalsOf(last, frame.atMs) };
  };
  return run({ ...input, policyOverride: planFollower(`look-ahead(${frameS})`, foresight, planOf, true) });
}

/**
 * Runs a look-ahead policy with a receding horizon: it plans the next `horizonS` seconds, and plans anew at the first position after a
 * tenth of them. Beyond the horizon it assumes that the users stay where they are then, for as long again: that is the value of being at
 * a site when the horizon ends. So it does not depend on where frames happen to end, as `look-ahead` does.
 */
export async function recedingHorizon(planned: PlannedRunInput, horizonS: number): Promise<RunResult> {
  const { foresight, input } = await foresightBefore(planned);
  const horizonMs = horizonS * 1000;
  const rule = planFollower(`receding-horizon(${horizonS})`, foresight, ({ sites, nowMs }, itinerary) => {
    const ahead = itineraryAhead(itinerary, nowMs, nowMs + horizonMs, horizonMs, sites[0]!.index);
    const { last } = cheapestRoute(ahead, foresight.inputFor(itinerary.spec));
    return { untilMs: nowMs + horizonMs * REPLANNED_AFTER, arrivals: arrivalsOf(last, ahead.atMs) };
  });
  return run({ ...input, policyOverride: rule });
}
