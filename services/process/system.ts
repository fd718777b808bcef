/** All services in one process, wired to one bus, one store and one clock. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { Log } from '#shared/log.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { createDashboard } from '../dashboard/service.ts';
import { createDeadLetters } from '../dead-letters/service.ts';
import { owntracksOverMqtt } from '../ingest/apis/mqtt.ts';
import { declareVms } from '../ingest/declare.ts';
import { registerIngest } from '../ingest/http.ts';
import { createIngest, type Ingest } from '../ingest/service.ts';
import type { MigratorService } from '../migrator/service.ts';
import { createMigratorWithSites } from '../migrator/with-sites.ts';
import { createMonitor, type Monitor } from '../monitor/service.ts';
import { registerPlacement } from '../placement/http.ts';
import { createPlacement, type PlacementService } from '../placement/service.ts';
import { createHttp, type HttpSurface } from '../runtime/http.ts';
import { registerSetAside } from '../runtime/set-aside.ts';
import { simulatedMachines } from '../sites/hosts/simulated.ts';
import { knownSites } from '../sites/known.ts';
import type { SiteAgents } from '../sites/reporter.ts';
import { createTracer } from '../tracer/service.ts';
import { createWebhooks } from '../webhook/service.ts';
import { observeConnections, observeIngest, observeMigrator, observePlacement, observeSetAside } from './observe.ts';
import { registerOpenapi } from './openapi.ts';

export interface System {
  readonly bus: Bus;
  readonly ingest: Ingest;
  readonly placement: PlacementService;
  readonly migrator: MigratorService;
  readonly agents: SiteAgents;
  readonly monitor: Monitor;
  /** Records of all services that cannot be read or written. */
  readonly setAside: SetAside;
  /** Starts everything. */
  start(): Promise<void>;
  /** Declares the VMs of the configuration. */
  declare(): Promise<void>;
  /** Adds the routes of all services. */
  registerHttp(surface: HttpSurface): void;
  /** Starts to answer requests. */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Stops in the order of the data: nothing is taken in any more, what is in hand is finished. */
  stop(): Promise<void>;
}

export interface SystemOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly store: Store;
  readonly log: Log;
  /** @default simulated, on `clock` */
  readonly machines?: Machines;
}

export function createSystem({ config, clock, bus, store, log, ...rest }: SystemOptions): System {
  const setAside = new SetAside({ log, clock });
  const machines: Machines = rest.machines ?? simulatedMachines(config, clock);
  const sites = knownSites(store, config.sites);
  const ingest = createIngest({ bus, store, clock, config: config.ingest, sites, log, setAside });
  const placement = createPlacement({ bus, store, clock, config, log, setAside });
  const mover = createMigratorWithSites({ bus, store, clock, machines, config, log, setAside });
  const { migrator, agents } = mover;
  const monitor = createMonitor({ bus, clock, log, sites });
  const letters = createDeadLetters({ bus, store, clock, retentionMs: config.bus.retentionMs, setAside });
  const dashboard = createDashboard({ bus, store, clock, config, log, explain: placement.explain });
  observeIngest(monitor, ingest);
  observePlacement(monitor, placement);
  observeMigrator(monitor, migrator, clock, machines);
  observeConnections(monitor, bus, store);
  observeSetAside(monitor, setAside);
  const webhooks = createWebhooks({ bus, webhooks: config.webhooks, log });
  const tracer = createTracer({ bus, config });
  const mqtt = owntracksOverMqtt({ config, ingest, clock, log });
  let http: HttpSurface | undefined;
  const registerHttp = (surface: HttpSurface) => {
    surface.needs(() => bus.connected());
    surface.needs(() => store.connected());
    registerOpenapi(surface, config);
    registerIngest(surface, { ingest, clock, config });
    registerPlacement(surface, placement);
    mover.registerHttp(surface);
    monitor.registerHttp(surface);
    dashboard.registerHttp(surface);
    registerSetAside(surface, setAside);
  };

  return {
    bus,
    ingest,
    placement,
    migrator,
    agents,
    monitor,
    setAside,
    async start() {
      // From the end of the data's way to its beginning, so that nobody speaks to an empty room.
      await letters.start();
      await monitor.start();
      await dashboard.start();
      await webhooks.start();
      await tracer?.start();
      await migrator.start();
      await placement.start();
      await ingest.start();
      await mqtt?.start();
    },
    declare: () => declareVms(ingest, config.vms, log),
    registerHttp,
    async listen() {
      http = await createHttp({ config: config.http, log });
      registerHttp(http);
      return http.listen();
    },
    async stop() {
      await http?.close();
      await mqtt?.stop();
      await ingest.stop();
      await placement.stop();
      await migrator.stop();
      await tracer?.stop();
      await webhooks.stop();
      await monitor.stop();
      await dashboard.stop();
      await letters.stop();
      machines.close();
      await bus.close();
      await store.close();
    },
  };
}
