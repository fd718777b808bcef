/** One service as a process of its own, beside others on the same bus and store. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { Log } from '#shared/log.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { createRelay } from '../dashboard/relay.ts';
import { createDashboard } from '../dashboard/service.ts';
import { createDeadLetters } from '../dead-letters/service.ts';
import { owntracksOverMqtt } from '../ingest/apis/mqtt.ts';
import { declareVms } from '../ingest/declare.ts';
import { registerIngest } from '../ingest/http.ts';
import { listenersKnown } from '../ingest/listeners.ts';
import { createIngest } from '../ingest/service.ts';
import { createMigratorWithSites } from '../migrator/with-sites.ts';
import { createExposition } from '../monitor/exposition.ts';
import { createMonitor } from '../monitor/service.ts';
import { registerPlacement } from '../placement/http.ts';
import { createPlacement } from '../placement/service.ts';
import { createHttp, type HttpSurface } from '../runtime/http.ts';
import { registerSetAside } from '../runtime/set-aside.ts';
import { knownSites } from '../sites/known.ts';
import { createTracer } from '../tracer/service.ts';
import { createWebhooks } from '../webhook/service.ts';
import {
  observeConnections,
  observeIngest,
  observeMigrator,
  observePlacement,
  observeProcess,
  observeSetAside,
} from './observe.ts';
import { registerOpenapi } from './openapi.ts';

/** The services that can run alone. */
export const SERVICES = ['ingest', 'placement', 'migrator', 'monitor', 'dashboard'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** A service whose work can be waited for, and which partitions it holds: what a replay in lockstep has to know of it. */
export interface Followed {
  /** True while something is being worked on. */
  readonly busy: boolean;
  /** Resolves when nothing is. */
  idle(): Promise<void>;
  held(): readonly number[];
}

export interface Single extends Followed {
  /** Starts to answer requests. */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Resolves when the service takes part. */
  start(): Promise<void>;
  /** Finishes what is in hand, and lets go of bus and store. */
  stop(): Promise<void>;
}

export interface SingleOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly store: Store;
  readonly log: Log;
  /** For the migrator alone. */
  readonly machines: () => Promise<Machines>;
}

/** What each of them is made of. */
interface Parts extends SingleOptions {
  readonly setAside: SetAside;
}

interface Service extends Partial<Followed> {
  start(): Promise<void>;
  stop(): Promise<void>;
  register(surface: HttpSurface): void;
}

const CREATE: Record<ServiceName, (options: Parts) => Promise<Service>> = {
  async ingest({ bus, store, clock, config, log, setAside }) {
    const sites = knownSites(store, config.sites);
    const ingest = createIngest({ bus, store, clock, config: config.ingest, sites, log, setAside });
    const mqtt = owntracksOverMqtt({ config, ingest, clock, log });
    const exposition = createExposition();
    observeProcess(exposition);
    const stopped = new AbortController();
    observeIngest(exposition, ingest);
    observeConnections(exposition, bus, store);
    observeSetAside(exposition, setAside);
    return {
      async start() {
        await listenersKnown(bus, config.bus.partitions, log, stopped.signal, ingest.waitFor);
        if (stopped.signal.aborted) return;
        await ingest.start();
        await declareVms(ingest, config.vms, log);
        await mqtt?.start();
      },
      async stop() {
        stopped.abort();
        await mqtt?.stop();
        await ingest.stop();
      },
      register(surface) {
        registerIngest(surface, { ingest, clock, config });
        exposition.registerMetrics(surface);
      },
    };
  },
  async placement(options) {
    const placement = createPlacement(options);
    const exposition = createExposition();
    observeProcess(exposition);
    observePlacement(exposition, placement);
    observeConnections(exposition, options.bus, options.store);
    observeSetAside(exposition, options.setAside);
    return {
      start: placement.start,
      stop: placement.stop,
      get busy() {
        return placement.busy;
      },
      idle: placement.idle,
      held: () => placement.status().partitions.held,
      register(surface) {
        registerPlacement(surface, placement);
        exposition.registerMetrics(surface);
      },
    };
  },
  async migrator({ machines: open, ...options }) {
    const machines = await open();
    const { migrator, registerHttp } = createMigratorWithSites({ ...options, machines });
    const exposition = createExposition();
    observeProcess(exposition);
    observeMigrator(exposition, migrator, options.clock, machines);
    observeConnections(exposition, options.bus, options.store);
    observeSetAside(exposition, options.setAside);
    return {
      start: migrator.start,
      get busy() {
        return migrator.busy;
      },
      idle: migrator.idle,
      held: () => (migrator.isLeader ? Array.from({ length: options.config.bus.partitions }, (_, i) => i) : []),
      async stop() {
        await migrator.stop();
        machines.close();
      },
      register(surface) {
        registerHttp(surface);
        exposition.registerMetrics(surface);
      },
    };
  },
  async monitor(options) {
    const sites = knownSites(options.store, options.config.sites);
    const monitor = createMonitor({ ...options, sites });
    observeProcess(monitor);
    observeConnections(monitor, options.bus, options.store);
    observeSetAside(monitor, options.setAside);
    const { retentionMs } = options.config.bus;
    const letters = createDeadLetters({ ...options, retentionMs });
    const webhooks = createWebhooks({ ...options, webhooks: options.config.webhooks });
    const tracer = createTracer(options);
    return {
      async start() {
        await letters.start();
        await monitor.start();
        await webhooks.start();
        await tracer?.start();
      },
      async stop() {
        await tracer?.stop();
        await webhooks.stop();
        await monitor.stop();
        await letters.stop();
      },
      register: monitor.registerHttp,
    };
  },
  async dashboard(options) {
    const { dashboard: settings, http } = options.config;
    const relay = createRelay(settings.services, http.token);
    const dashboard = createDashboard({ ...options, explain: relay.explain });
    const exposition = createExposition();
    observeProcess(exposition);
    observeConnections(exposition, options.bus, options.store);
    return {
      ...dashboard,
      register(surface) {
        dashboard.registerHttp(surface);
        relay.registerHttp(surface);
        exposition.registerMetrics(surface);
      },
    };
  },
};

/** Makes a service that runs alone. @throws what opening the machines throws */
export async function createSingle(name: ServiceName, options: SingleOptions): Promise<Single> {
  const { config, bus, store, log } = options;
  const setAside = new SetAside({ log, clock: options.clock });
  const service = await CREATE[name]({ ...options, setAside });
  let http: HttpSurface | undefined;
  return {
    async listen() {
      http = await createHttp({ config: config.http, log });
      http.needs(() => bus.connected());
      http.needs(() => store.connected());
      registerOpenapi(http, config);
      service.register(http);
      registerSetAside(http, setAside);
      return http.listen();
    },
    start: () => service.start(),
    get busy() {
      return service.busy ?? false;
    },
    idle: async () => service.idle?.(),
    held: () => service.held?.() ?? [],
    async stop() {
      await http?.close();
      await service.stop();
      await bus.close();
      await store.close();
    },
  };
}
