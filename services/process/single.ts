/** The services of one process, beside others on the same bus and store. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { HttpTokens } from '#shared/config/sign-in.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { Log } from '#shared/log.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { type Followed, MODULES, type ProcessName } from './modules.ts';
import { createParts, servicesWhere } from './parts.ts';

/** A process whose work can be waited for. */
export interface Single extends Followed {
  /** Starts to answer requests. @throws TagalongError PORT_UNAVAILABLE */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Resolves when the services take part. */
  start(): Promise<void>;
  /** Finishes the work in progress, then closes bus and store. */
  stop(): Promise<void>;
}

/** The parts that the services of a process share. */
export interface SingleOptions {
  readonly config: Config;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly store: Store;
  readonly log: Log;
  /** The tokens of the configuration as they are now. @default those of `config` */
  readonly httpTokens?: (() => HttpTokens) | undefined;
  /** Opens the hypervisor and its hosts; called for the migrator alone. */
  readonly machines: () => Promise<Machines>;
}

/**
 * Makes the services of the process `name`. They keep apart by the groups of the bus and the prefixes of the store.
 * @throws what opening the machines throws
 */
export async function createSingle(name: ProcessName, options: SingleOptions): Promise<Single> {
  const { config, clock, bus, store, log, httpTokens } = options;
  const machines = name === 'migrator' ? { machines: await options.machines() } : {};
  const setAside = new SetAside({ log, clock });
  const names = servicesWhere((service) => MODULES[service].process === name);
  const parts = createParts(names, {
    config,
    clock,
    bus,
    store,
    log,
    setAside,
    ...machines,
    httpTokens,
    isAlone: true,
  });
  const followed = parts.running.flatMap((one) => one.followed ?? []);
  let http: HttpSurface | undefined;
  return {
    async listen() {
      http = await parts.createHttp();
      return http.listen();
    },
    start: parts.start,
    get busy() {
      return followed.some(({ busy }) => busy);
    },
    async idle() {
      for (const one of followed) await one.idle();
    },
    held: () => followed.flatMap((one) => one.held()),
    async stop() {
      await http?.close();
      await parts.stop();
    },
  };
}
