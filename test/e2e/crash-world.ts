/** An installation of real processes on a real server, whose users move, whose processes are killed, and who is heard. */
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

/** Begins the keys of where the simulated VMs run. */
const PLACES = 'simulated/vm/';
const SITES = ['s0', 's1', 's2', 's3'];
/** Names that nothing else has: where one of them stands, a user is named. */
export const USERS = Array.from({ length: 12 }, (_, i) => `rider-${i}`);
export const vmOf = (user: string) => `v${user.slice('rider-'.length)}`;
/** Where the users are: near the sites, and told apart from them. */
export const USER_LAT = 52.03719;
/** Where the site of that number is; users are at sites. */
export const lon = (site: number) => 4 + site * 1.5;

/** Users may be anywhere at any time; moves take two to three seconds, and the policy goes wherever it is better. */
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

/** A whole number from 0 to below `n`. */
export function int(random: Random, n: number): number {
  return Math.floor(random.next() * n);
}

export class CrashWorld {
  readonly config: Config;
  readonly bus: Bus;
  readonly store: Store;
  /** Every event by its id, as it was first heard. */
  readonly heard = new Map<string, Event>();
  /** Events that were heard in two ways under one id. */
  readonly contradictions: string[] = [];
  /** The last position of each user that ingest has accepted, and how many there were. */
  readonly lastAccepted = new Map<string, number>();
  accepted = 0;
  kills = 0;
  /** What processes have written to their logs that have ended. */
  readonly logs: string[] = [];
  /** What processes said that ended though nobody had asked them to. */
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
      for (const { event } of batch) world.#hear(event);
    });
    for (const name of PROCESSES) world.#begin(name);
    await world.allServe();
    return world;
  }

  /** The file that the processes read when they start. */
  async configure(settings: object): Promise<void> {
    await writeFile(this.#path, JSON.stringify(settings));
  }

  /** Resolves when every process serves. */
  async allServe(): Promise<void> {
    await Promise.all(PROCESSES.map((name) => this.urlOf(name)));
  }

  urlOf(name: Name): Promise<string> {
    return this.#running.get(name)!.url();
  }

  /** Where a process answers; empty where it does not yet, or not any more. */
  answering(name: Name): Promise<string> {
    return Promise.race([this.urlOf(name).catch(() => ''), sleep(500, '')]);
  }

  /**
   * A share of the users moves about, a position at a time, until `stopped`. What is not accepted is sent again until it is.
   * @param places how many: the sites are the first of them
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
      // Most stay where they are, long enough for a move to come to its end.
      const site = int(random, 20) === 0 ? undefined : sites.get(user);
      sites.set(user, site ?? int(random, places));
      await this.send([{ user, lat: USER_LAT, lon: lon(sites.get(user)!), atMs }]);
      await sleep(int(random, 120));
    }
  }

  /** Hundreds of positions of every user at once. */
  async burst(): Promise<void> {
    const each = 300;
    // Later than all before, and not ahead of the clock: what is ahead counts as of now.
    await sleep(each + 100);
    const sinceMs = Date.now() - each;
    await Promise.all(
      USERS.map((user) =>
        this.send(Array.from({ length: each }, (_, i) => ({ user, lat: USER_LAT, lon: lon(0), atMs: sinceMs + i }))),
      ),
    );
  }

  /** Resolves when so many more events of a type have been published; rejects where they are not within the time. */
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

  /** Kills one of the processes without a word, and starts it again a while later. @returns its name */
  async killOne(random: Random, among: readonly Name[] = PROCESSES): Promise<string> {
    const name = among[int(random, among.length)]!;
    await this.restart(name, 'SIGKILL', int(random, 2500));
    this.kills++;
    return name;
  }

  /** @returns how the process before ended */
  async restart(name: Name, signal: 'SIGTERM' | 'SIGKILL', awayMs = 0): Promise<Ended> {
    const ended = await this.#stop(this.#running.get(name)!, signal);
    await sleep(awayMs);
    this.#begin(name);
    return ended;
  }

  /** Resolves when nothing waits, no VM moves of those that count, and nothing more is decided of them; throws after a while. */
  async rest(timeoutMs: number, counts: (vm: string) => boolean = () => true): Promise<void> {
    const decided = () => this.decided().filter(({ vm }) => counts(vm)).length;
    const untilMs = Date.now() + timeoutMs;
    for (let calm = 0; calm < 4; calm++) {
      const before = decided();
      await sleep(1500);
      // Who followed the sites and was killed has left a place that nobody works on any more.
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
    return [...this.heard.values()].filter((event) => (types as string[]).includes(event.type)) as never;
  }

  decided() {
    return this.of('placement.decided.v1').map(({ data }) => data);
  }

  /** Moves that were decided and have not come to a terminal event. */
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

  /** Where the simulated VMs run. */
  async running(): Promise<ReadonlyMap<string, string>> {
    const records = await this.store.list<{ site: string } | null>(PLACES);
    // What somebody else has put there may be anything.
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

  #hear(event: Event): void {
    const known = this.heard.get(event.id);
    if (known === undefined) {
      this.heard.set(event.id, event);
      for (const listener of this.#listeners) listener(event.type);
    } else if (!isDeepStrictEqual(known, event)) this.contradictions.push(event.id);
  }

  /** Sends positions until they are accepted, all of them. */
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
        // Nobody there, or it died over it: again.
      }
      await sleep(100);
    }
    this.accepted += positions.length;
    for (const { user, atMs } of positions) this.lastAccepted.set(user, atMs);
  }
}
