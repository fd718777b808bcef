/** All services of one process, wired to one bus, one store and one clock. */
import type { MemoryBus } from '#shared/bus/memory.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Hypervisor } from '#shared/hypervisor/hypervisor.ts';
import type { Log } from '#shared/log.ts';
import type { Store } from '#shared/store/store.ts';
import { type Hosts, type SiteAgents, siteAgents } from './agent/agents.ts';
import { simulatedMachines } from './agent/simulated.ts';
import { createHttp, type HttpSurface } from './http.ts';
import { registerIngest } from './ingest/http.ts';
import { createIngest, type Ingest } from './ingest/service.ts';
import { registerMigrator } from './migrator/http.ts';
import { createMigrator, type MigratorService } from './migrator/service.ts';
import { createMonitor, type Monitor } from './monitor/service.ts';
import { registerPlacement } from './placement/http.ts';
import { createPlacement, type PlacementService } from './placement/service.ts';

/** What runs the VMs, and moves them. */
export interface Machines {
  readonly hypervisor: Hypervisor;
  readonly hosts: Hosts;
  /** Lets go of the hosts; the VMs run on. */
  close(): void;
}

export interface System {
  readonly bus: MemoryBus;
  readonly ingest: Ingest;
  readonly placement: PlacementService;
  readonly migrator: MigratorService;
  readonly agents: SiteAgents;
  readonly monitor: Monitor;
  /** Starts everything, and declares the VMs of the configuration. */
  start(): Promise<void>;
  /** Resolves when everything that was caused so far has happened, except what waits for the clock. */
  settle(): Promise<void>;
  /** Starts to answer requests. */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Stops in the order of the data: nothing is taken in any more, what is in hand is finished. */
  stop(): Promise<void>;
}

export interface SystemOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly bus: MemoryBus;
  readonly store: Store;
  readonly log: Log;
  /** @default simulated, on `clock` */
  readonly machines?: Machines;
}

export function createSystem({ config, clock, bus, store, log, ...rest }: SystemOptions): System {
  const { hypervisor, hosts, close } = rest.machines ?? simulatedMachines(config, clock);
  const ingest = createIngest({ bus, store, clock, config: config.ingest, log });
  const placement = createPlacement({ bus, store, clock, config, log });
  const migrator = createMigrator({ bus, store, clock, hypervisor, config, log });
  const { sites, heartbeatMs } = config;
  const agents = siteAgents({ bus, clock, hosts, sites, heartbeatMs, log });
  const monitor = createMonitor({ bus, clock, log });
  observe(monitor, ingest, placement);
  let http: HttpSurface | undefined;

  return {
    bus,
    ingest,
    placement,
    migrator,
    agents,
    monitor,
    async start() {
      // From the end of the data's way to its beginning, so that nobody speaks to an empty room.
      await monitor.start();
      await migrator.start();
      await placement.start();
      await agents.start();
      await ingest.start();
      await this.settle();
      for (const { vm, home, spec, sessions } of config.vms) {
        await ingest.declareVm(vm, home, spec);
        for (const { user, weight } of sessions) await ingest.attach(vm, user, weight);
      }
      await this.settle();
    },
    async settle() {
      do {
        await placement.idle();
        await migrator.idle();
        await bus.idle();
      } while (placement.busy || migrator.busy);
    },
    async listen() {
      http = await createHttp({ config: config.http, log });
      registerIngest(http, { ingest, clock, config: config.ingest });
      registerPlacement(http, placement);
      registerMigrator(http, migrator);
      agents.registerHttp(http);
      monitor.registerHttp(http);
      return http.listen();
    },
    async stop() {
      await http?.close();
      await ingest.stop();
      await agents.stop();
      await placement.stop();
      await migrator.stop();
      await monitor.stop();
      close();
      await bus.close();
      await store.close();
    },
  };
}

/** What the services count themselves, shown beside what the monitor reads from the bus. */
function observe(monitor: Monitor, ingest: Ingest, placement: PlacementService): void {
  monitor.counter('tagalong_ingest_locations_total', 'Locations taken in, by what became of them', ['outcome'], () => [
    { labels: { outcome: 'accepted' }, value: ingest.counts.accepted },
    { labels: { outcome: 'unattached' }, value: ingest.counts.unattached },
    ...Object.entries(ingest.counts.implausible).map(([outcome, value]) => ({ labels: { outcome }, value })),
  ]);
  monitor.counter('tagalong_placement_locations_total', 'Location events, by what became of them', ['outcome'], () =>
    [...placement.counts].map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
}
