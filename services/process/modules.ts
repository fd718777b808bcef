/**
 * The table of services: how each is made, started and stopped, which routes and metrics it has, and which process runs it where
 * the services run apart. `system.ts` (all in one process) and `single.ts` (one process each) iterate over it.
 */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { adminToken, type HttpTokens } from '#shared/config/sign-in.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { Log } from '#shared/log.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { createRelay } from '../dashboard/relay.ts';
import { createDashboard, type Dashboard } from '../dashboard/service.ts';
import { createDeadLetters, type DeadLetters } from '../dead-letters/service.ts';
import { owntracksOverMqtt } from '../ingest/apis/mqtt.ts';
import { mqttMessages } from '../ingest/apis/mqtt-messages.ts';
import { CACHE_MS } from '../ingest/attachments.ts';
import { declareVms } from '../ingest/declare.ts';
import { registerIngest } from '../ingest/http.ts';
import { consumerGroupsExist } from '../ingest/listeners.ts';
import type { Names } from '../ingest/names.ts';
import { ownUserCheck } from '../ingest/own-user.ts';
import { createIngest, type Ingest } from '../ingest/service.ts';
import { createMigratorWithSites, type MigratorWithSites } from '../migrator/with-sites.ts';
import { createMonitor, type Monitor } from '../monitor/service.ts';
import { registerPlacement } from '../placement/http.ts';
import { createPlacement, type PlacementService } from '../placement/service.ts';
import { registerAudit } from '../runtime/audit-http.ts';
import type { Exposition } from '../runtime/exposition.ts';
import type { HttpSurface } from '../runtime/http.ts';
import type { Tokens } from '../runtime/tokens.ts';
import { knownSites } from '../sites/known.ts';
import { createTracer, type Tracer } from '../tracer/service.ts';
import { registerUsers } from '../users/http.ts';
import { createUserData, type UserData } from '../users/service.ts';
import { storedSessions } from '../users/sessions.ts';
import { createWebhooks, type Webhooks } from '../webhook/service.ts';
import {
  observeDashboard,
  observeIngest,
  observeMigrator,
  observePlacement,
  observeTracer,
  observeWebhooks,
} from './observe.ts';

/** The processes of an installation whose services run apart. */
export const PROCESSES = ['ingest', 'placement', 'migrator', 'monitor', 'dashboard'] as const;
/** One of these processes. */
export type ProcessName = (typeof PROCESSES)[number];

/** The services, by the names of their modules. */
export interface Services {
  readonly ingest: Ingest;
  readonly placement: PlacementService;
  readonly migrator: MigratorWithSites;
  readonly tracer: Tracer | undefined;
  readonly webhooks: Webhooks;
  readonly monitor: Monitor;
  readonly dashboard: Dashboard;
  readonly deadLetters: DeadLetters;
  readonly users: UserData;
}
/** The name of a module. */
export type ServiceName = keyof Services;

/** The resources that a process shares with its services. */
export interface Process {
  readonly config: Config;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly store: Store;
  readonly log: Log;
  readonly setAside: SetAside;
  /** The issued tokens. */
  readonly tokens: Tokens;
  /** The names of users on the bus. */
  readonly names: Names;
  /** The hypervisor and its hosts; only where the process runs the migrator. */
  readonly machines?: Machines;
  /** The tokens of the configuration as they are now. @default those of `config` */
  readonly httpTokens?: (() => HttpTokens) | undefined;
  /** True: the other services run in processes of their own. */
  readonly isAlone: boolean;
}

/** A service that holds partitions: callers can wait until it is idle, and see its partitions. */
export interface Followed {
  /** True while work is in progress. */
  readonly busy: boolean;
  /** Resolves when no work is in progress. */
  idle(): Promise<void>;
  held(): readonly number[];
}

/** A service in its process. */
export interface Running<Service> {
  readonly service: Service;
  /** Resolves when the service has subscribed and loaded its state. */
  start(): Promise<void>;
  /** Finishes the work in progress, then stops. */
  stop(): Promise<void>;
  /** Adds its routes and its health. */
  routes?(surface: HttpSurface): void;
  /** Adds its metrics. */
  metrics?(exposition: Exposition): void;
  /** Present where the service holds partitions. */
  readonly followed?: Followed;
}

/** A service in the table: its process, and the function that creates it. */
export interface ServiceModule<Name extends ServiceName> {
  readonly process: ProcessName;
  /** @param made the services of this process that precede it in the table */
  create(process: Process, made: Partial<Services>): Running<Services[Name]>;
}

/** In the order of the data flow. Services stop in this order and start in reverse, so that consumers subscribe before producers publish. */
export const MODULES: { readonly [Name in ServiceName]: ServiceModule<Name> } = {
  ingest: { process: 'ingest', create: runIngest },
  placement: { process: 'placement', create: runPlacement },
  migrator: { process: 'migrator', create: runMigrator },
  tracer: {
    process: 'monitor',
    create(process) {
      const tracer = createTracer(process);
      return {
        ...{ service: tracer, start: async () => tracer?.start(), stop: async () => tracer?.stop() },
        metrics: (exposition) => observeTracer(exposition, tracer),
      };
    },
  },
  webhooks: {
    process: 'monitor',
    create(process) {
      const webhooks = createWebhooks(process);
      return {
        ...{ service: webhooks, start: () => webhooks.start(), stop: () => webhooks.stop() },
        metrics: (exposition) => observeWebhooks(exposition, webhooks),
      };
    },
  },
  monitor: {
    process: 'monitor',
    create({ bus, store, clock, config, log }) {
      const { partitions } = config.bus;
      const monitor = createMonitor({ bus, store, clock, log, partitions, sites: knownSites(store, config.sites) });
      return {
        ...{ service: monitor, start: () => monitor.start(), stop: () => monitor.stop() },
        routes(surface) {
          monitor.registerHttp(surface);
          registerAudit(surface, { bus, clock });
        },
      };
    },
  },
  dashboard: { process: 'dashboard', create: runDashboard },
  deadLetters: {
    process: 'monitor',
    create({ bus, store, clock, config, setAside }) {
      const { retentionMs } = config.bus;
      const deadLetters = createDeadLetters({ bus, store, clock, retentionMs, setAside });
      return { service: deadLetters, start: () => deadLetters.start(), stop: () => deadLetters.stop() };
    },
  },
  users: { process: 'monitor', create: runUsers },
};

/** In a process of its own, ingest waits for placement and migrator, then declares the VMs. Otherwise its process declares them. */
function runIngest(process: Process): Running<Ingest> {
  const { bus, store, clock, config, log, setAside, tokens, names, isAlone } = process;
  const sites = knownSites(store, config.sites);
  const ingest = createIngest({ bus, store, clock, config: config.ingest, sites, log, setAside, names });
  const mqtt = owntracksOverMqtt({ config, ingest, tokens, names, clock, log });
  const stopped = new AbortController();
  return {
    service: ingest,
    async start() {
      if (isAlone) await consumerGroupsExist(bus, config.bus.partitions, log, stopped.signal, ingest.waitFor);
      if (stopped.signal.aborted) return;
      await ingest.start();
      if (isAlone) await declareVms(ingest, config.vms, log);
      await mqtt?.start();
    },
    async stop() {
      stopped.abort();
      await mqtt?.stop();
      await ingest.stop();
    },
    routes: (surface) => registerIngest(surface, { ingest, clock, config, names }),
    metrics: (exposition) => observeIngest(exposition, ingest),
  };
}

function runPlacement(process: Process): Running<PlacementService> {
  const placement = createPlacement(process);
  return {
    ...{ service: placement, start: placement.start, stop: placement.stop },
    routes: (surface) => registerPlacement(surface, placement),
    metrics: (exposition) => observePlacement(exposition, placement),
    followed: {
      get busy() {
        return placement.busy;
      },
      idle: placement.idle,
      held: () => placement.status().partitions.held,
    },
  };
}

function runMigrator({ machines, isAlone: _, ...process }: Process): Running<MigratorWithSites> {
  if (machines === undefined) throw new TypeError('the migrator needs machines');
  const withSites = createMigratorWithSites({ ...process, machines });
  const { migrator, registerHttp } = withSites;
  const { clock, config } = process;
  return {
    service: withSites,
    start: migrator.start,
    async stop() {
      await migrator.stop();
      machines.close();
    },
    routes: registerHttp,
    metrics: (exposition) => observeMigrator(exposition, migrator, clock, machines),
    followed: {
      get busy() {
        return migrator.busy;
      },
      idle: migrator.idle,
      held: () => (migrator.isLeader ? Array.from({ length: config.bus.partitions }, (_, i) => i) : []),
    },
  };
}

/** If placement runs in another process, the dashboard relays queries and orders to the processes of `dashboard.services`. */
function runDashboard({ config, ...process }: Process, { placement }: Partial<Services>): Running<Dashboard> {
  const { httpTokens = () => config.http } = process;
  const relay = placement ? undefined : createRelay(config.dashboard.services, () => adminToken(httpTokens()));
  const explain = (placement ?? relay!).explain;
  const dashboard = createDashboard({ ...process, config, explain });
  return {
    ...{ service: dashboard, start: () => dashboard.start(), stop: () => dashboard.stop() },
    routes(surface) {
      dashboard.registerHttp(surface);
      relay?.registerHttp(surface);
    },
    metrics: (exposition) => observeDashboard(exposition, dashboard),
  };
}

/** Exports and erases users. Ingest faces the internet, so another process may delete events. */
function runUsers(process: Process, { ingest }: Partial<Services>): Running<UserData> {
  const { config, clock, names, isAlone } = process;
  const { mqtt } = config.ingest;
  const userData = createUserData({
    ...process,
    ingest: ingest ?? storedSessions(process),
    messages: mqtt && mqttMessages(mqtt),
    nowMs: () => clock.now(),
    settleMs: isAlone ? CACHE_MS : 0,
  });
  return {
    service: userData,
    async start() {},
    async stop() {},
    routes: (surface) => registerUsers(surface, { userData, config, refuseOthers: ownUserCheck(names) }),
  };
}
