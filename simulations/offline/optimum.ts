import type { RunResult } from '../engine.ts';
import { cheapestRoute } from './cheapest-route.ts';
import { foresightOf, type PlannedRunInput } from './foresight.ts';

/**
 * A lower bound for the cost of any policy on these positions in this simulation. It is no run: it knows all positions beforehand.
 *
 * Each VM begins at the same site as in a run, and takes the cheapest route. The bound leaves out everything that can only raise
 * the cost: other moves on the paths, limits, slots, filters, and the disks of VMs.
 */
export async function optimum(input: PlannedRunInput): Promise<RunResult> {
  const { itineraries, stayed, inputFor } = await foresightOf(input);
  let [totalUserMs, movingUserMs, moves] = [0, 0, 0];
  for (const itinerary of itineraries.values()) {
    const route = cheapestRoute(itinerary, inputFor(itinerary.spec));
    totalUserMs += route.totalUserMs;
    movingUserMs += route.last.movingUserMs;
    moves += route.last.moves;
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
