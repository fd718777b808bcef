/** Hosts whose VMs are simulated, with the hypervisor that moves them. */

import type { Clock } from '#shared/clock/clock.ts';
import type { Config, SiteConfig } from '#shared/config/schema.ts';
import type { Hosts } from '#shared/hypervisor/hosts.ts';
import type { SimulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { simulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';

/** The hosts of some sites under a simulated hypervisor. Declares the sites to it. */
export function simulatedHosts(hypervisor: SimulatedHypervisor, sites: Config['sites']) {
  const known = new Set<string>();
  /** VMs whose site does not exist, with that site. They are started when it is declared. */
  const stranded = new Map<string, string>();
  const declare = (site: SiteConfig) => {
    hypervisor.declareSite({ ...site, uplinks: site.uplinks.map((uplink) => ({ ...uplink })) });
    known.add(site.site);
    for (const [vm, home] of stranded) if (home === site.site) startVm(vm, home);
  };
  const startVm = (vm: string, site: string) => {
    stranded.delete(vm);
    // Only the hypervisor knows where it runs: a repeated declaration starts no second one.
    if (hypervisor.running(vm).length > 0) return;
    if (known.has(site)) hypervisor.startVm(vm, site);
    else stranded.set(vm, site);
  };
  for (const site of sites) declare(site);
  return {
    /** VMs whose site does not exist, with that site. */
    stranded: stranded as ReadonlyMap<string, string>,
    vmsAt(site: string) {
      const waiting = [...stranded].flatMap(([vm, home]) => (home === site ? [vm] : []));
      return [...hypervisor.vmsAt(site), ...waiting];
    },
    startVm,
    remove(vm: string) {
      stranded.delete(vm);
      hypervisor.remove(vm);
    },
    declare,
    withdraw({ site }: SiteConfig) {
      known.delete(site);
      hypervisor.removeSite(site);
    },
  } satisfies Hosts & { stranded: ReadonlyMap<string, string> };
}

/** As often as the driver of real VMs reports progress, or less. */
const PROGRESS_EVERY_MS = 1_000;

/**
 * Simulated hosts and hypervisor, for as long as this process lives.
 * @param watched whether a picture is shown, so that moves report their progress
 */
export function simulatedMachines(config: Config, clock: Clock, watched = false) {
  const { move: model, network } = config;
  const hypervisor = simulatedHypervisor({
    ...{ clock, model, network },
    ...(watched && { progressEveryMs: PROGRESS_EVERY_MS }),
  });
  return { hypervisor, hosts: simulatedHosts(hypervisor, config.sites), async setLeader() {}, close() {} };
}
