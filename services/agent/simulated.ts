/** Hosts whose VMs are simulated, with the hypervisor that moves them. */
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { SimulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { simulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import type { Hosts } from './agents.ts';

/** The hosts of some sites under a simulated hypervisor, which is told of the sites. */
export function simulatedHosts(hypervisor: SimulatedHypervisor, sites: Config['sites']): Hosts {
  for (const site of sites) hypervisor.declareSite({ ...site, uplinks: site.uplinks.map((uplink) => ({ ...uplink })) });
  return {
    vmsAt: (site) => hypervisor.vmsAt(site),
    place(vm, site) {
      // Where it runs is the hypervisor's to know: a repeated declaration starts no second one.
      if (hypervisor.running(vm).length === 0) hypervisor.place(vm, site);
    },
    remove: (vm) => hypervisor.remove(vm),
  };
}

/** As often as an agent of real VMs says how far a move is. */
const PROGRESS_EVERY_MS = 1_000;

/**
 * Everything that runs VMs, simulated, for as long as this process lives.
 * @param watched whether somebody looks on, so that moves say how far they are
 */
export function simulatedMachines(config: Config, clock: Clock, watched = false) {
  const { move: model, network } = config;
  const hypervisor = simulatedHypervisor({
    ...{ clock, model, network },
    ...(watched && { progressEveryMs: PROGRESS_EVERY_MS }),
  });
  return { hypervisor, hosts: simulatedHosts(hypervisor, config.sites), async duty() {}, close() {} };
}
