/** Runs an installation of real processes on a real server. It moves the users, kills processes, and records all events. */
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Bus } from '#shared/bus/bus.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { EVENT_TYPES, type Event } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import type { KeptVm } from '#shared/policy/state/kept-vm.ts';
import type { Random } from '#shared/random/random.ts';
import type { Store } from '#shared/store/store.ts';
import { begin, type Ended, file, type Running } from './cli.ts';

/** Processes by name; the part before the dash is the service. */
export const PROCESSES = ['migrator-1', 'migrator-2', 'placement-1', 'placement-2', 'ingest-1'] as const;
export type Name = (typeof PROCESSES)[number];

/** Prefix of the store keys that record the places of simulated VMs. */
const PLACES = 'simulated/vm/';
const SITES = ['s0', 's1', 's2', 's3'];
/** Unique names: a text that contains one of them names a user. */
export const USERS = Array.from({ length: 12 }, (_, i) => `rider-${i}`);
export const vmOf = (user: string) => `v${user.slice('rider-'.length)}`;
/** The latitude of all users: near the sites, but different from theirs. */
export const USER_LAT = 52.03719;
/** The longitude of a site by its index, and of the users at that site. */
export const lon = (site: number) => 4 + site * 1.5;

/** Users may jump to any place. Moves take two to three seconds, and the policy follows every improvement. */
export function settingsOf(url: string) {
  const uplinks = ['a', 'b'].map((provider) => ({ provider, rateBps: 125_000_000 }));
  return {
    bus: { url, partitions: 8 },
    store: { url },
    http: { port: 0 },
    log: { level: 'warn' },
    ingest: { plausibility: { maxSpeedMps: 3e8 } },
    policy: { name: 'nearest', siteSilentMs: 20_000, backOffMs: 1000, maxBackOffMs: 2000 },
    limits: { movesPerSite: 4, movesPerPath: 4, queueMs: 20_000, stepTimeoutMs: 5000 },
    heartbeatMs: 1000,
    sites: SITES.map((site, i) => ({ site, lat: 52, lon: lon(i), slots: 8, uplinks })),
    vms: USERS.map((user, i) => ({
      vm: vmOf(user),
      home: SITES[i % SITES.length],
      spec: { ramBytes: 1e8, dirtyRateBps: 1e6, workingSetBytes: 1e6 },
      sessions: [{ user }],
    })),
  };
}

/** @returns an integer from 0 to `n` - 1 */
export function int(random: Random, n: number): number {
  return Math.floor(random.next() * n);
}

export class CrashWorld {
  readonly config: Config;
  readonly bus: Bus;
  readonly store: Store;
  /** Every event by its id, as first received. */
  readonly events = new Map<string, Event>();
  /** Events that arrived with different contents under one id. */
  readonly contradictions: string[] = [];
  /** The time of each user's last position that ingest accepted, and the number of accepted positions. */
  readonly lastAccepted = new Map<string, number>();
  accepted = 0;
  kills = 0;
  /** The logs of processes that have ended. */
  readonly logs: string[] = [];
  /** The output of processes that ended unexpectedly. */
  readonly endedAlone: string[] = [];
  readonly #path: string;
  readonly #running = new Map<Name, Running>();
  readonly #stopped = new Set<Running>();
  readonly #listeners = new Set<(type: Event['type']) => void>();

  private constructor(config: Config, path: string, bus: Bus, store: Store) {
    this.config = config;
    this.#path = path;
    this.bus = bus;
    this.store = store;
  }

  static async start(url: string, settings: object = settingsOf(url)): Promise<CrashWorld> {
    const text = JSON.stringify(settings);
    const config = parseConfig(text, 'crash');
    const log = createLog('silent');
    const [bus, store] = [await openBus(config, log), await openStore(config, log)];
    const world = new CrashWorld(config, await file('crash.json', text), bus, store);
    await bus.subscribe({ group: 'test', types: EVENT_TYPES }, async (batch) => {
      for (const { event } of batch) world.#record(event);
    });
    for (const name of PROCESSES) world.#begin(name);
    await world.allServe();
    return world;
  }

  /** Writes the configuration file that the processes read when they start. */
  async configure(settings: object): Promise<void> {
    await writeFile(this.#path, JSON.stringify(settings));
  }

  /** Resolves when every process serves HTTP. */
  async allServe(): Promise<void> {
    await Promise.all(PROCESSES.map((name) => this.urlOf(name)));
  }

  urlOf(name: Name): Promise<string> {
    return this.#running.get(name)!.url();
  }

  /** @returns the URL of a process, or an empty string if the process does not serve */
  answering(name: Name): Promise<string> {
    return Promise.race([this.urlOf(name).catch(() => ''), sleep(500, '')]);
  }

  /**
   * Moves a share of the users, one position at a time, until `stopped`. Repeats each position until ingest accepts it.
   * @param places the number of places; the sites are the first of them
   */
  async feed(
    random: Random,
    share: { readonly i: number; readonly of: number },
    stopped: () => boolean,
    places = SITES.length,
  ): Promise<void> {
    const users = USERS.filter((_, i) => i % share.of === share.i);
    const sites = new Map<string, number>();
    while (!stopped()) {
      const user = users[int(random, users.length)]!;
      const atMs = Math.max(Date.now(), (this.lastAccepted.get(user) ?? 0) + 1);
      // Most users stay at their place long enough for a move to end.
      const site = int(random, 20) === 0 ? undefined : sites.get(user);
      sites.set(user, site ?? int(random, places));
      await this.send([{ user, lat: USER_LAT, lon: lon(sites.get(user)!), atMs }]);
      await sleep(int(random, 120));
    }
  }

  /** Sends hundreds of positions of every user at once. */
  async burst(): Promise<void> {
    const each = 300;
    // The times are later than all before, but not ahead of the clock: ingest sets future times to now.
    await sleep(each + 100);
    const sinceMs = Date.now() - each;
    await Promise.all(
      USERS.map((user) =>
        this.send(Array.from({ length: each }, (_, i) => ({ user, lat: USER_LAT, lon: lon(0), atMs: sinceMs + i }))),
      ),
    );
  }

  /** Resolves when so many more events of a type have been published. Rejects after a timeout. */
  async published(type: Event['type'], count: number, timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let left = count;
    const listener = (published: Event['type']) => {
      if (published === type && --left === 0) resolve();
    };
    const late = setTimeout(
      () => reject(new Error(`${left} of ${count} ${type} are missing after ${timeoutMs} ms`)),
      timeoutMs,
    );
    this.#listeners.add(listener);
    try {
      await promise;
    } finally {
      clearTimeout(late);
      this.#listeners.delete(listener);
    }
  }

  /** Kills one of the processes without warning, and restarts it after a delay. @returns its name */
  async killOne(random: Random, among: readonly Name[] = PROCESSES): Promise<string> {
    const name = among[int(random, among.length)]!;
    await this.restart(name, 'SIGKILL', int(random, 2500));
    this.kills++;
    return name;
  }

  /** @returns how the previous process ended */
  async restart(name: Name, signal: 'SIGTERM' | 'SIGKILL', awayMs = 0): Promise<Ended> {
    const ended = await this.#stop(this.#running.get(name)!, signal);
    await sleep(awayMs);
    this.#begin(name);
    return ended;
  }

  /** Resolves when few events wait, no relevant VM moves, and placement decides nothing more about them. Throws after a timeout. */
  async rest(timeoutMs: number, counts: (vm: string) => boolean = () => true): Promise<void> {
    const decided = () => this.decided().filter(({ vm }) => counts(vm)).length;
    const untilMs = Date.now() + timeoutMs;
    for (let calm = 0; calm < 4; calm++) {
      const before = decided();
      await sleep(1500);
      // A killed process that consumed site events leaves a consumer offset that no process advances any more.
      const lags = this.bus.lag().filter(({ group }) => !group.endsWith('-sites'));
      const waiting = lags.reduce((sum, { events }) => sum + events, 0);
      const open = this.open(counts);
      if (waiting > 20 || open.length > 0 || decided() > before) calm = -1;
      if (Date.now() > untilMs) {
        throw new Error(
          `no rest: ${waiting} events wait, ${JSON.stringify(lags.filter(({ events }) => events > 0))}; open: ${open.join()}`,
        );
      }
    }
  }

  async stop(): Promise<string[]> {
    const ended = await Promise.all([...this.#running.values()].map((running) => this.#stop(running, 'SIGTERM')));
    await this.bus.close();
    await this.store.close();
    return ended.map(({ code, stderr }) => (code === 0 ? '' : stderr)).filter((text) => text !== '');
  }

  of<T extends Event['type']>(...types: T[]): Extract<Event, { type: T }>[] {
    return [...this.events.values()].filter((event) => (types as string[]).includes(event.type)) as never;
  }

  decided() {
    return this.of('placement.decided.v1').map(({ data }) => data);
  }

  /** Decided moves without a terminal event. */
  open(counts: (vm: string) => boolean = () => true): string[] {
    const ended = new Set(this.ends().map(({ migration }) => migration));
    return this.decided().flatMap(({ vm, verdict, decision }) =>
      verdict === 'move' && counts(vm) && !ended.has(decision) ? [decision] : [],
    );
  }

  ends() {
    return this.of('migration.completed.v1', 'migration.failed.v1', 'migration.cancelled.v1').map(({ data }) => data);
  }

  /** The VMs as placement has recorded them. */
  async recorded(): Promise<KeptVm[]> {
    const records = await this.store.list<{ value: KeptVm }>('placement/vm/');
    return records.map(({ value }) => value.value);
  }

  /** The sites where the simulated VMs run. */
  async running(): Promise<ReadonlyMap<string, string>> {
    const records = await this.store.list<{ site: string } | null>(PLACES);
    // A record that a test injected may have any content.
    return new Map(records.flatMap(({ key, value }) => (value?.site ? [[key.slice(PLACES.length), value.site]] : [])));
  }

  #begin(name: Name): void {
    const [service] = name.split('-') as [string];
    const running = begin([service, '--config', this.#path]);
    this.#running.set(name, running);
    void running.ended.then(({ code, stderr }) => {
      this.logs.push(stderr);
      if (!this.#stopped.has(running)) this.endedAlone.push(`${name} (${code}): ${stderr}`);
    });
  }

  #stop(running: Running, signal: 'SIGTERM' | 'SIGKILL'): Promise<Ended> {
    this.#stopped.add(running);
    return running.stop(signal);
  }

  #record(event: Event): void {
    const known = this.events.get(event.id);
    if (known === undefined) {
      this.events.set(event.id, event);
      for (const listener of this.#listeners) listener(event.type);
    } else if (!isDeepStrictEqual(known, event)) this.contradictions.push(event.id);
  }

  /** Sends positions until ingest has accepted all of them. */
  async send(positions: readonly { user: string; lat: number; lon: number; atMs: number }[]): Promise<void> {
    for (;;) {
      try {
        const url = await this.answering('ingest-1');
        const response = await fetch(`${url}/v1/locations`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(positions),
          signal: AbortSignal.timeout(5000),
        });
        const receipt = (await response.json()) as { accepted?: number };
        if (response.status === 202 && receipt.accepted === positions.length) break;
      } catch {
        // The process is down, or it died during the request: repeat.
      }
      await sleep(100);
    }
    this.accepted += positions.length;
    for (const { user, atMs } of positions) this.lastAccepted.set(user, atMs);
  }
}
