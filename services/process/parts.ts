/** The services of one process, made from the table, with the process's own routes and metrics around them. */

import { createNames } from '../ingest/names.ts';
import { createAuditTrail } from '../runtime/audit-trail.ts';
import { registerCaller } from '../runtime/caller-http.ts';
import { createExposition } from '../runtime/exposition.ts';
import { holdEvents } from '../runtime/held-events.ts';
import { createHttp, type HttpSurface } from '../runtime/http.ts';
import { registerSetAside } from '../runtime/set-aside.ts';
import { createTokens } from '../runtime/tokens.ts';
import { registerTokens } from '../runtime/tokens-http.ts';
import { knownSites } from '../sites/known.ts';
import { MODULES, type Process, type Running, type ServiceName, type Services } from './modules.ts';
import { observeAudit, observeConnections, observeHeldEvents, observeProcess, observeSetAside } from './observe.ts';
import { registerOpenapi } from './openapi.ts';

/** The services of a process, ready to start. */
export interface Parts {
  /** The services of this process, by name. */
  readonly services: Partial<Services>;
  /** The same in the order of the table, as they are run. */
  readonly running: readonly Running<unknown>[];
  /** Starts all services, in the reverse order of the data flow. */
  start(): Promise<void>;
  /** Stops all services in the order of the data flow, so that each finishes its work; then closes bus and store. */
  stop(): Promise<void>;
  /** Makes the HTTP server with all routes. @throws TagalongError CONFIG_UNREADABLE */
  createHttp(): Promise<HttpSurface>;
  /** Adds the routes of all, `/metrics`, and what every process answers. */
  registerHttp(surface: HttpSurface): void;
}

/** The services of the table that `isWanted` names. */
export function servicesWhere(isWanted: (name: ServiceName) => boolean): readonly ServiceName[] {
  return (Object.keys(MODULES) as ServiceName[]).filter(isWanted);
}

/** Makes services of a process, with their metrics. Nothing is started. */
export function createParts(names: readonly ServiceName[], given: Omit<Process, 'tokens' | 'names'>): Parts {
  const { bus, store, clock, config, log, setAside } = given;
  const held = holdEvents(bus, { ...given, sites: knownSites(store, config.sites) });
  const tokens = createTokens(store, clock);
  const users = createNames(config.ingest, tokens);
  const process: Process = { ...given, tokens, names: users };
  const services: { [Name in ServiceName]?: Services[Name] } = {};
  const running = names.map((name) => {
    const one = MODULES[name].create({ ...process, bus: held }, services);
    Object.assign(services, { [name]: one.service });
    return one;
  });
  const { pseudonymOf } = users;
  const trail = createAuditTrail({ bus, clock, log });
  const exposition = services.monitor ?? createExposition();
  observeProcess(exposition);
  observeConnections(exposition, bus, store);
  observeHeldEvents(exposition, held);
  observeSetAside(exposition, setAside);
  observeAudit(exposition, trail);
  for (const one of running) one.metrics?.(exposition);
  const registerHttp = (surface: HttpSurface) => {
    surface.needs(() => bus.connected());
    surface.needs(() => store.connected());
    registerOpenapi(surface, config);
    for (const one of running) one.routes?.(surface);
    // The monitor shows the metrics of its process itself.
    if (!services.monitor) exposition.registerMetrics(surface);
    registerSetAside(surface, setAside);
    registerTokens(surface, { tokens, pseudonymOf });
    registerCaller(surface);
  };
  return {
    services,
    running,
    async start() {
      for (const one of running.toReversed()) await one.start();
    },
    async stop() {
      for (const one of running) await one.stop();
      await trail.stop();
      await bus.close();
      await store.close();
    },
    registerHttp,
    async createHttp() {
      const surface = await createHttp({
        config: config.http,
        log,
        httpTokens: process.httpTokens,
        tokens,
        pseudonymOf,
        trail,
      });
      registerHttp(surface);
      return surface;
    },
  };
}
