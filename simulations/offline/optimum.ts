import type { RunInput, RunResult } from '../engine.ts';
import { cheapestRoute } from './cheapest-route.ts';
import { foresee } from './foresight.ts';
import { plannerInputFor } from './planner-input.ts';

/**
 * The least that any policy can cost on these positions in this simulation, which knows them all beforehand: a bound, not a run.
 * Each VM begins where the policies' does, and goes the cheapest way among the sites that are candidates for a policy somewhere.
 * Left out is what can only make it dearer: other VMs on the paths, limits, slots, filters, and the disks of VMs.
 */
export async function optimum(input: RunInput): Promise<RunResult> {
  const { itineraries, stayed } = await foresee(input);
  const inputFor = plannerInputFor(input);
  let [totalUserMs, movingUserMs, moves] = [0, 0, 0];
  for (const itinerary of itineraries.values()) {
    const way = cheapestRoute(itinerary, inputFor(itinerary.spec));
    totalUserMs += way.totalUserMs;
    movingUserMs += way.last.movingUserMs;
    moves += way.last.moves;
  }
  const { userHours } = stayed.cost;
  const servingUserMs = totalUserMs - movingUserMs;
  const meanExcessRttMs = userHours === 0 ? 0 : servingUserMs / (userHours * 3600);
  return {
    ...stayed,
    policy: 'optimum',
    isBound: true,
    decisions: {},
    migrations: { ...stayed.migrations, completed: moves },
    cost: { servingUserMs, movingUserMs, totalUserMs, userHours, meanExcessRttMs },
  };
}
