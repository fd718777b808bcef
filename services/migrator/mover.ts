/** The migrator and the hosts between which it moves VMs: the process that is on duty also speaks for the sites. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Hypervisor } from '#shared/hypervisor/hypervisor.ts';
import type { Log } from '#shared/log.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { type Hosts, type SiteAgents, siteAgents } from '../agent/agents.ts';
import { createMigrator, type MigratorService } from './service.ts';

/** What runs the VMs, and moves them. */
export interface Machines {
  readonly hypervisor: Hypervisor;
  readonly hosts: Hosts;
  /** This process is the one that gives orders, from now on or no longer. Called before the first order. */
  duty(on: boolean): Promise<void>;
  /** How many VMs the sites say that they run and that were not handed to them; missing where no site is asked. */
  readonly foreignVms?: () => number;
  /** Lets go of the hosts; the VMs run on. */
  close(): void;
}

export interface Mover {
  readonly migrator: MigratorService;
  /** Started and stopped with the migrator's duty. */
  readonly agents: SiteAgents;
}

export interface MoverOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly machines: Machines;
  readonly config: Config;
  readonly log: Log;
  /** Where records go that cannot be read or written. */
  readonly setAside?: SetAside;
}

export function createMover({ machines, ...options }: MoverOptions): Mover {
  const { config } = options;
  const { hypervisor, hosts } = machines;
  const { sites, heartbeatMs } = config;
  const agents = siteAgents({ ...options, hosts, sites, heartbeatMs });
  const duty = async (on: boolean) => {
    if (!on) await agents.stop();
    await machines.duty(on);
    if (on) await agents.start();
  };
  return { agents, migrator: createMigrator({ ...options, hypervisor, duty }) };
}
