/** All services in one process, with mallory's VM `bad`, which gets the extreme inputs, and a VM `victim`, which must go on. */
import { expect } from 'vitest';
import { createSystem, type System } from '#services/process/system.ts';
import { keptMachines } from '#services/sites/hosts/kept.ts';
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { EVENT_TYPES, type Event, envelop, type Fact } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import type { Store } from '#shared/store/store.ts';
import { PARTITIONS } from './doors-inputs.ts';

/** The environment of the services: memory, or a server. */
export interface Environment {
  /** The addresses of bus and store. */
  readonly settings: { readonly bus?: object; readonly store?: object };
  /** Opens bus, store and clock for one start. Each start gets the same records. */
  open(config: Config): Promise<Opened>;
}

export interface Opened {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  /** Lets some time pass, and waits until the services have handled what is due. */
  pass(system: System): Promise<void>;
}

/** Number of waits before the test gives up. */
const MOST_PASSES = 400;
const uplinks = [{ provider: 'a', rateBps: 1e9 }];
const spec = { ramBytes: 1e8, dirtyRateBps: 1e6, workingSetBytes: 1e6 };

const configOn = (settings: Environment['settings']): Config =>
  parseConfig(
    JSON.stringify({
      bus: { partitions: PARTITIONS, ...settings.bus },
      ...(settings.store && { store: settings.store }),
      http: { port: 0, requestsPerMinute: 1_000_000 },
      policy: { dwellMs: 0 },
      // A drawn VM may move for years. The other VM must not wait for it.
      limits: { movesPerSite: 1000, movesPerPath: 1000 },
      sites: [
        { site: 'west', lat: 40, lon: -74, slots: 1000, uplinks },
        { site: 'east', lat: 42, lon: -71, slots: 1000, uplinks },
        { site: 'north', lat: 45, lon: -73, slots: 1000, uplinks },
      ],
      vms: [
        { vm: 'victim', home: 'west', spec, sessions: [{ user: 'vic' }] },
        { vm: 'bad', home: 'west', spec, sessions: [{ user: 'mallory' }] },
      ],
    }),
    'doors',
  );

/** A running system that a test puts inputs into. */
export class DoorsWorld {
  readonly #environment: Environment;
  #opened!: Opened;
  #system!: System;
  #url!: string;
  #seen: Event[] = [];
  #published = 0;

  private constructor(environment: Environment) {
    this.#environment = environment;
  }

  static async start(environment: Environment): Promise<DoorsWorld> {
    const world = new DoorsWorld(environment);
    await world.#start();
    return world;
  }

  /** @param between changes the store while no service runs */
  async restart(between?: (store: Store) => Promise<void>): Promise<void> {
    await this.stop();
    if (between !== undefined) {
      const { bus, store } = await this.#environment.open(configOn(this.#environment.settings));
      await between(store);
      await Promise.all([bus.close(), store.close()]);
    }
    await this.#start();
  }

  async stop(): Promise<void> {
    await this.#system.stop();
  }

  /** @returns the status of the answer */
  async ask(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<number> {
    const sent =
      body === undefined
        ? {}
        : {
            headers: { 'content-type': contentType },
            body: contentType === 'application/json' ? JSON.stringify(body) : (body as Uint8Array<ArrayBuffer>),
          };
    const { status } = await fetch(this.#url + path, { method, ...sent });
    await this.pass();
    return status;
  }

  /** Publishes a fact as another program. */
  async publish(fact: Fact): Promise<void> {
    await this.#opened.bus.publish([envelop(fact, `drawn:${this.#published++}`, '/somebody')]);
    await this.pass();
  }

  /** Asserts that all services are ready, now and after a restart on the same store, and that the other VM moves. */
  async expectServicesGoOn(): Promise<void> {
    await this.#expectReady();
    await this.restart();
    await this.#expectReady();
    const vm = await this.#until(() => this.#system.placement.status().vms.find((known) => known.vm === 'victim'));
    const to = vm.home === 'west' ? 'east' : 'west';
    expect(await this.ask('POST', '/v1/vms/victim/moves', { to })).toBe(202);
    const end = await this.#until(() =>
      this.#seen.find(
        ({ type, data }) => /^migration\.(com|fai|can)/.test(type) && 'vm' in data && data.vm === 'victim',
      ),
    );
    expect(end, JSON.stringify(end.data)).toMatchObject({ type: 'migration.completed.v1', data: { to } });
  }

  pass(): Promise<void> {
    return this.#opened.pass(this.#system);
  }

  async #start(): Promise<void> {
    const config = configOn(this.#environment.settings);
    this.#opened = await this.#environment.open(config);
    const seen: Event[] = [];
    this.#seen = seen;
    const { clock, store } = this.#opened;
    const log = createLog('silent');
    const system = createSystem({ ...this.#opened, config, log, machines: keptMachines(config, clock, store, log) });
    this.#system = system;
    await system.start();
    await this.#opened.bus.subscribe({ group: 'test', types: EVENT_TYPES, latest: true }, async (batch) => {
      seen.push(...batch.map(({ event }) => event));
    });
    await system.declare();
    this.#url = (await system.listen()).url;
    await this.pass();
  }

  async #expectReady(): Promise<void> {
    for (let i = 0; i < MOST_PASSES && (await this.ask('GET', '/readyz')) !== 200; i++) await this.pass();
    expect(await this.ask('GET', '/readyz')).toBe(200);
  }

  async #until<T>(find: () => T | undefined): Promise<T> {
    for (let i = 0; i < MOST_PASSES; i++) {
      const found = find();
      if (found !== undefined) return found;
      await this.pass();
    }
    throw new Error(`not seen: ${find}`);
  }
}
