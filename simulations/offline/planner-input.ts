import type { VmSpec } from '#shared/events/index.ts';
import { SiteTable } from '#shared/policy/state/sites.ts';
import type { RunInput } from '../engine.ts';
import type { PlannerInput } from './cheapest-route.ts';
import { LeastMoveCosts } from './least-move-costs.ts';

/**
 * The planner's input for each kind of VM of a run. Sites have the same indexes as in the run.
 * @returns a function that computes the input of a VM from its figures; it caches the costs of moves
 */
export function plannerInputFor({ sites, config }: Pick<RunInput, 'sites' | 'config'>): (spec: VmSpec) => PlannerInput {
  const table = new SiteTable(config.network);
  for (const site of sites) table.report({ ...site, atMs: 0, vms: [], draining: false });
  const bySpec = new Map<string, LeastMoveCosts>();
  return (spec) => {
    const key = JSON.stringify(spec);
    let moveCosts = bySpec.get(key);
    if (moveCosts === undefined) {
      moveCosts = new LeastMoveCosts(table, config, spec);
      bySpec.set(key, moveCosts);
    }
    return { sites: table, settings: config, moveCosts };
  };
}
