/** The migrator and the hosts between which it moves VMs: the leader also sends the heartbeats of the sites. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { Log } from '#shared/log.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { registerSites } from '../sites/http.ts';
import { siteRegistry } from '../sites/registry.ts';
import { type SiteReporter, siteReporter } from '../sites/reporter.ts';
import { registerMigrator } from './http.ts';
import { createMigrator, type MigratorService } from './service.ts';

/** A migrator with the sites it moves VMs between. */
export interface MigratorWithSites {
  readonly migrator: MigratorService;
  /** Started when the migrator becomes the leader, stopped when it is no longer. */
  readonly siteReporter: SiteReporter;
  /** Adds the routes of the migrator, of the site reporter and of the sites. */
  registerHttp(surface: HttpSurface): void;
}

/** Their parts. */
export interface MigratorWithSitesOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly machines: Machines;
  readonly config: Config;
  readonly log: Log;
  /** Receives records that cannot be read or written. */
  readonly setAside?: SetAside;
}

/**
 * Makes a migrator, the registry of the sites and their heartbeats. Nothing is started. When the migrator becomes the leader, it
 * opens the sites (`site/` in the store), then the machines, then starts the heartbeats; when it loses the lead, it stops them in
 * reverse order. Both are part of loading its state: after a failure, the migrator is not ready and tries again.
 */
export function createMigratorWithSites({ machines, ...rest }: MigratorWithSitesOptions): MigratorWithSites {
  const setAside = rest.setAside ?? new SetAside(rest);
  const options = { ...rest, setAside };
  const { config } = options;
  const { hypervisor, hosts } = machines;
  const { heartbeatMs } = config;
  const sites = siteRegistry({ ...options, hosts, moves: () => migrator.status() });
  const reporter = siteReporter({ ...options, hosts, sites, heartbeatMs });
  const onLeadership = async (isLeader: boolean) => {
    if (isLeader) await sites.open();
    else await reporter.stop();
    await machines.setLeader(isLeader, setAside);
    if (!isLeader) return;
    await sites.announce();
    await reporter.start();
  };
  const migrator = createMigrator({ ...options, hypervisor, onLeadership });
  const registerHttp = (surface: HttpSurface) => {
    registerMigrator(surface, migrator);
    reporter.registerHttp(surface);
    registerSites(surface, { sites, siteReporter: reporter, hosts, config, isOnDuty: () => migrator.isLeader });
  };
  return { siteReporter: reporter, migrator, registerHttp };
}
