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

/** Everything that runs VMs, simulated, for as long as this process lives. */
export function simulatedMachines(config: Config, clock: Clock) {
  const hypervisor = simulatedHypervisor({ clock, model: config.move, network: config.network });
  return { hypervisor, hosts: simulatedHosts(hypervisor, config.sites), async duty() {}, close() {} };
}
