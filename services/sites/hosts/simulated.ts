/** Hosts whose VMs are simulated, with the hypervisor that moves them. */

import type { Clock } from '#shared/clock/clock.ts';
import type { Config, SiteConfig } from '#shared/config/schema.ts';
import type { Hosts } from '#shared/hypervisor/hosts.ts';
import type { SimulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { simulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';

/** The hosts of some sites under a simulated hypervisor, which is told of the sites. */
export function simulatedHosts(hypervisor: SimulatedHypervisor, sites: Config['sites']) {
  const known = new Set<string>();
  /** VMs whose site is not there, by name. They are placed when it comes. */
  const stranded = new Map<string, string>();
  const declare = (site: SiteConfig) => {
    hypervisor.declareSite({ ...site, uplinks: site.uplinks.map((uplink) => ({ ...uplink })) });
    known.add(site.site);
    for (const [vm, home] of stranded) if (home === site.site) place(vm, home);
  };
  const place = (vm: string, site: string) => {
    stranded.delete(vm);
    // Where it runs is the hypervisor's to know: a repeated declaration starts no second one.
    if (hypervisor.running(vm).length > 0) return;
    if (known.has(site)) hypervisor.place(vm, site);
    else stranded.set(vm, site);
  };
  for (const site of sites) declare(site);
  return {
    /** By VM, the site that is not there. */
    stranded: stranded as ReadonlyMap<string, string>,
    vmsAt(site: string) {
      const waiting = [...stranded].flatMap(([vm, home]) => (home === site ? [vm] : []));
      return [...hypervisor.vmsAt(site), ...waiting];
    },
    place,
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
