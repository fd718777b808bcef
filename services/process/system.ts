/** All services in one process, wired to one bus, one store and one clock. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { HttpTokens } from '#shared/config/sign-in.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { Log } from '#shared/log.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { declareVms } from '../ingest/declare.ts';
import type { Ingest } from '../ingest/service.ts';
import type { MigratorService } from '../migrator/service.ts';
import type { Monitor } from '../monitor/service.ts';
import type { PlacementService } from '../placement/service.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { simulatedMachines } from '../sites/hosts/simulated.ts';
import type { SiteReporter } from '../sites/reporter.ts';
import type { Services } from './modules.ts';
import { createParts, servicesWhere } from './parts.ts';

/** All services, and how they are run. */
export interface System {
  readonly bus: Bus;
  readonly ingest: Ingest;
  readonly placement: PlacementService;
  readonly migrator: MigratorService;
  readonly siteReporter: SiteReporter;
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
  /** Stops all services in the order of the data flow, so that each finishes its work. */
  stop(): Promise<void>;
}

/** The dependencies of a system. */
export interface SystemOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly store: Store;
  readonly log: Log;
  /** The tokens of the configuration as they are now. @default those of `config` */
  readonly httpTokens?: (() => HttpTokens) | undefined;
  /** @default simulated, on `clock` */
  readonly machines?: Machines;
}

/** Makes all services. Nothing is started. */
export function createSystem({ config, clock, bus, store, log, httpTokens, ...rest }: SystemOptions): System {
  const setAside = new SetAside({ log, clock });
  const machines: Machines = rest.machines ?? simulatedMachines(config, clock);
  const all = servicesWhere(() => true);
  const parts = createParts(all, { config, clock, bus, store, log, setAside, machines, httpTokens, isAlone: false });
  const { ingest, placement, migrator: withSites, monitor } = parts.services as Services;
  const { migrator, siteReporter } = withSites;
  let http: HttpSurface | undefined;
  return {
    ...{ bus, ingest, placement, migrator, siteReporter, monitor, setAside },
    start: parts.start,
    declare: () => declareVms(ingest, config.vms, log),
    registerHttp: parts.registerHttp,
    async listen() {
      http = await parts.createHttp();
      return http.listen();
    },
    async stop() {
      await http?.close();
      await parts.stop();
    },
  };
}
