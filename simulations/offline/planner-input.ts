import type { VmSpec } from '#shared/events/index.ts';
import { SiteTable } from '#shared/policy/state/sites.ts';
import type { RunInput } from '../engine.ts';
import type { PlannerInput } from './cheapest-route.ts';
import { LeastMoveCosts } from './moveCosts.ts';

/** The data of the planners of a run, by the figures of the VM. Sites have the indexes that they have in the run. */
export function plannerInputFor({ sites, config }: Pick<RunInput, 'sites' | 'config'>): (spec: VmSpec) => PlannerInput {
  const table = new SiteTable(config.network);
  for (const site of sites) table.report({ ...site, atMs: 0, vms: [], draining: false });
  const moveCosts = new Map<string, LeastMoveCosts>();
  return (spec) => {
    const key = JSON.stringify(spec);
    let ofSpec = moveCosts.get(key);
    if (ofSpec === undefined) {
      ofSpec = new LeastMoveCosts(table, config, spec);
      moveCosts.set(key, ofSpec);
    }
    return { sites: table, settings: config, moveCosts: ofSpec };
  };
}
