import { type RunInput, type RunResult, run } from '../engine.ts';
import { cheapestWay } from './cheapest-way.ts';
import { groundOf } from './ground.ts';
import { Travelogue } from './itinerary.ts';

/**
 * The least that any policy can cost on these positions in this simulation, which knows them all beforehand: a bound, not a run.
 * Each VM begins where the policies' does, and goes the cheapest way among the sites that are candidates for a policy somewhere.
 * Left out is what can only make it dearer: other VMs on the paths, limits, slots, filters, and the disks of VMs.
 */
export async function optimum(input: RunInput): Promise<RunResult> {
  const { config, observe: _, ...rest } = input;
  const { byVm, note } = new Travelogue();
  const stayed = await run({ ...rest, config: { ...config, policy: { ...config.policy, name: 'never' } }, note });
  const groundFor = groundOf(input);
  let [totalUserMs, movingUserMs, moves] = [0, 0, 0];
  for (const itinerary of byVm.values()) {
    const way = cheapestWay(itinerary, groundFor(itinerary.spec));
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
