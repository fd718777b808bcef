import { type RunResult, run } from '../engine.ts';
import { type Arrival, cheapestRoute, type PlannerInput } from './cheapest-route.ts';
import { arrivalsOf, type Plan, planFollower } from './follow-plan.ts';
import { type Foresight, foresightBefore, type PlannedRunInput } from './foresight.ts';
import { type Itinerary, nearestPositionMs } from './itinerary.ts';
import { predictedBetween } from './least-move-costs.ts';
import { Reservations } from './reservations.ts';

/**
 * Runs a policy that knows the whole trace and plans all VMs before it begins, so that no two moves share a site: an upper bound for the
 * least cost under contention, because a run has reached it.
 *
 * It plans one VM after the other, each the cheapest route that the reservations of those before it leave, which is not the cheapest
 * for all of them together. The true optimum under contention lies between `optimum` and this.
 */
export async function contendedOptimum(planned: PlannedRunInput): Promise<RunResult> {
  const { foresight, input } = await foresightBefore(planned);
  const plans = plansOf(foresight);
  return run({
    ...input,
    policyOverride: planFollower('contended-optimum', foresight, ({ vm }) => plans.get(vm)!),
  });
}

/** The plans of all VMs, by VM. */
function plansOf({ itineraries, inputFor }: Foresight): ReadonlyMap<string, Plan> {
  const reservations = new Reservations();
  const plans = new Map<string, Plan>();
  for (const [vm, itinerary] of itineraries) {
    const input = inputFor(itinerary.spec);
    const { releaseMs } = input.settings.move;
    const durationMs = durations(input, itinerary.spec);
    // From the order, which waits for a position, to the end of the release.
    const spanOf = (from: number, to: number, switchMs: number): [number, number] => {
      const takesMs = durationMs(from, to);
      const beginMs = nearestPositionMs(itinerary, switchMs - (takesMs - releaseMs));
      return [beginMs, beginMs + takesMs];
    };
    const { last } = cheapestRoute(itinerary, input, (from, to, arrivedMs, switchMs) => {
      const [beginMs, endMs] = spanOf(from, to, switchMs);
      return beginMs >= arrivedMs && reservations.isFree(from, to, beginMs, endMs);
    });
    for (let at: Arrival = last; at.previous; at = at.previous) {
      const from = at.previous.site;
      reservations.take(from, at.site, ...spanOf(from, at.site, itinerary.atMs[at.entry]!));
    }
    plans.set(vm, { untilMs: Number.POSITIVE_INFINITY, arrivals: arrivalsOf(last, itinerary.atMs) });
  }
  return plans;
}

/** The predicted duration of a move between two sites, by index. */
function durations(input: PlannerInput, spec: Itinerary['spec']): (a: number, b: number) => number {
  const { list } = input.sites;
  const known = new Map<number, number>();
  return (a, b) => {
    const pair = Math.min(a, b) * list.length + Math.max(a, b);
    const knownMs = known.get(pair);
    if (knownMs !== undefined) return knownMs;
    const { durationMs } = predictedBetween(input, spec, a, b);
    known.set(pair, durationMs);
    return durationMs;
  };
}
