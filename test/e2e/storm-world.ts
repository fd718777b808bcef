/** Disturbs an installation of real processes while its users move. A seed determines the sequence of disturbances. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PlacementStatus } from '#services/placement/status.ts';
import { envelop } from '#shared/events/index.ts';
import type { Random } from '#shared/random/random.ts';
import type { NatsTestServer } from '../servers/nats.ts';
import { putOnNats } from '../servers/nats-put.ts';
import { type CrashWorld, int, lon, PROCESSES, settingsOf as usualSettings } from './crash-world.ts';
import { FOREIGN, poison } from './foreign.ts';
import { PSEUDONYM_KEY, send } from './storm-hostile.ts';

/** The number of places of users: the four sites, and the place of the site that comes and goes. */
export const PLACES = 5;
/** The storm declares, changes and removes this site while all processes run. */
const COMING = 's4';
/** The storm takes this site out of the configuration, and puts it back. */
const TAKEN_OUT = 's3';
/** A VM with unreadable records. */
export const JUNK = 'junk';
const PATIENCE_MS = 20_000;
const PREFIX = 'tagalong';

/** The differences between the configurations of a storm. */
interface Changed {
  /** The site to leave out. */
  readonly without?: string;
  /** `tagalong` obeys rule 7. `nearest` moves far more, and its final placement does not depend on history. */
  readonly policy?: 'nearest' | 'tagalong';
}

/** The content of the configuration file. The sites have enough slots for the injected VMs. */
export function settingsOf(url: string, { without, policy = 'nearest' }: Changed = {}) {
  const settings = usualSettings(url);
  const homes = settings.sites.map(({ site }) => site).filter((site) => site !== TAKEN_OUT);
  return {
    ...settings,
    // The most detailed level, because rule 8 restricts the content of logs.
    log: { level: 'debug' },
    ingest: { ...settings.ingest, pseudonymKey: PSEUDONYM_KEY },
    policy: { ...settings.policy, name: policy, dwellMs: 500, coolingMs: 3000, returnPauseMs: 5000 },
    sites: settings.sites.filter(({ site }) => site !== without).map((site) => ({ ...site, slots: 60 })),
    vms: settings.vms.map((vm, i) => ({ ...vm, home: homes[i % homes.length]! })),
  };
}

/** The body that declares the site over HTTP. */
const comingSite = (url: string, slots = 60) => {
  const { site: _, ...rest } = settingsOf(url).sites[0]!;
  return { ...rest, lon: lon(PLACES - 1), slots };
};

/** The kinds of disturbances. Each must happen at least once. */
export const KINDS = [
  ...['a process is killed', 'the server stops', 'a site is declared', 'a site is changed', 'a site is removed'],
  ...['a site drains', 'a site is out of the configuration', 'garbage is on the bus', 'junk is in the store'],
] as const;
export type Kind = (typeof KINDS)[number];

export class Storm {
  readonly world: CrashWorld;
  readonly done = new Map<Kind, number>();
  readonly #server: NatsTestServer;
  readonly #random: Random;
  #isThere = false;
  #policy: Changed['policy'] & string = 'tagalong';

  constructor(world: CrashWorld, server: NatsTestServer, random: Random) {
    this.world = world;
    this.#server = server;
    this.#random = random;
  }

  /** Repeats rounds of all disturbances, each in a random order, until the time is up. It always completes the first round. */
  async rage(forMs: number): Promise<void> {
    const untilMs = Date.now() + forMs;
    for (let round = 0; round === 0 || Date.now() < untilMs; round++) {
      for (const disturb of this.#shuffled(round)) {
        if (round > 0 && Date.now() > untilMs) return;
        await disturb();
        await sleep(int(this.#random, 3000));
      }
    }
  }

  /**
   * Sends a request to each process of a service in turn, until the process that holds its subject answers with a wanted status.
   */
  async ask(
    service: string,
    method: string,
    path: string,
    wanted: number | readonly number[],
    body?: object,
  ): Promise<void> {
    const untilMs = Date.now() + PATIENCE_MS;
    const answers = new Set<string>();
    while (Date.now() < untilMs) {
      for (const name of PROCESSES.filter((one) => one.startsWith(service))) {
        const url = await this.world.urlOf(name);
        const answer = await send(url, { method, path, body });
        if (answer === undefined) continue;
        if ([wanted].flat().includes(answer.status)) return;
        answers.add(`${answer.status} ${answer.text}`);
      }
      await sleep(500);
    }
    throw new Error(`${method} ${path} should be answered with ${wanted}: ${[...answers].join('\n')}`);
  }

  /** The merged VM status of both placements. */
  async vms(): Promise<Map<string, PlacementStatus['vms'][number]>> {
    const all = new Map<string, PlacementStatus['vms'][number]>();
    for (const name of ['placement-1', 'placement-2'] as const) {
      const response = await fetch(`${await this.world.urlOf(name)}/v1/status`);
      for (const vm of ((await response.json()) as PlacementStatus).vms) all.set(vm.vm, vm);
    }
    return all;
  }

  /** The explanations of both placements for a VM; only its owner knows the VM. */
  async explain(vm: string): Promise<string> {
    const urls = await Promise.all((['placement-1', 'placement-2'] as const).map((name) => this.world.urlOf(name)));
    const explanations = urls.map(async (url) => (await fetch(`${url}/v1/vms/${vm}/explanation`)).text());
    return `${vm}: ${(await Promise.all(explanations)).join('\n')}`;
  }

  /** Configures a policy with a predictable final placement, for placements that start from now on. */
  async configureTheEnd(): Promise<void> {
    await this.world.configure(settingsOf(this.#server.url));
  }

  async declareComing(slots?: number): Promise<void> {
    await this.ask('migrator', 'PUT', `/v1/sites/${COMING}`, 200, comingSite(this.#server.url, slots));
    this.#isThere = true;
  }

  #shuffled(round: number): (() => Promise<void>)[] {
    const all = [
      ...[this.#kill, this.#kill, this.#kill, this.#stopServer, this.#site, this.#drain, this.#garbage, this.#junk],
      // Restarts all processes twice, which costs most of the processor time of a storm.
      ...(round % 4 === 0 ? [this.#configuration] : []),
    ].map((one) => one.bind(this));
    for (let i = all.length - 1; i > 0; i--) {
      const j = int(this.#random, i + 1);
      [all[i], all[j]] = [all[j]!, all[i]!];
    }
    return all;
  }

  #count(kind: Kind): void {
    this.done.set(kind, (this.done.get(kind) ?? 0) + 1);
  }

  async #kill(): Promise<void> {
    await this.world.killOne(this.#random);
    this.#count('a process is killed');
  }

  /** Waits until every process serves: a process that starts without a server ends, and its supervisor must restart it. */
  async #stopServer(): Promise<void> {
    await this.world.allServe();
    await this.#server.kill();
    await sleep(2000 + int(this.#random, 4000));
    await this.#server.restart();
    this.#count('the server stops');
  }

  async #site(): Promise<void> {
    if (!this.#isThere) {
      await this.declareComing();
      this.#count('a site is declared');
    }
    await sleep(3000);
    await this.declareComing(10 + int(this.#random, 50));
    this.#count('a site is changed');
    await sleep(2000);
    // The site stays until all moves to it and from it have ended, so no further ones may begin.
    await this.ask('placement', 'PUT', '/v1/automation', 202, { paused: true });
    await this.ask('migrator', 'DELETE', `/v1/sites/${COMING}?force=true&confirm=${COMING}`, 204);
    await this.ask('placement', 'PUT', '/v1/automation', 202, { paused: false });
    this.#isThere = false;
    this.#count('a site is removed');
    await sleep(1000);
  }

  async #drain(): Promise<void> {
    const site = `s${int(this.#random, 3)}`;
    const path = `/v1/sites/${site}/drain`;
    await this.ask('migrator', 'POST', path, 202, { draining: true, confirm: site });
    await sleep(3000);
    await this.ask('migrator', 'POST', path, 202, { draining: false });
    this.#count('a site drains');
  }

  async #configuration(): Promise<void> {
    await this.#reconfigure({ without: TAKEN_OUT, policy: this.#policy });
    await sleep(2000);
    this.#policy = this.#policy === 'nearest' ? 'tagalong' : 'nearest';
    await this.#reconfigure({ policy: this.#policy });
    this.#count('a site is out of the configuration');
  }

  async #reconfigure(changed: Changed): Promise<void> {
    await this.world.allServe();
    await this.world.configure(settingsOf(this.#server.url, changed));
    for (const name of PROCESSES) {
      const { code, stderr } = await this.world.restart(name, 'SIGTERM');
      if (code !== 0) this.world.endedAlone.push(`${name} (${code}), asked to end: ${stderr}`);
    }
    await this.world.allServe();
  }

  /** Publishes foreign messages under the names of irrelevant VMs. */
  async #garbage(): Promise<void> {
    const [location] = this.world.of('location.reported.v1');
    if (location === undefined) throw new Error('no position was reported');
    const data = { ...location.data, vm: 'stray' };
    const stray = envelop({ type: 'location.reported.v1', data }, `${FOREIGN}stray`, '/foreign') as typeof location;
    await putOnNats(this.#server.url, PREFIX, poison(stray, lon(1), usualSettings('').bus.partitions));
    this.#count('garbage is on the bus');
  }

  /** Writes unreadable records of a separate VM under all of its possible keys. */
  async #junk(): Promise<void> {
    const junk = [{ v: 0, value: '__proto__' }, 'junk', { v: 99, value: {} }, null, [1e308]];
    const folders = ['placement/vm/0', 'simulated/vm', 'migrator/vm', 'ingest/vm', 'agent/site', 'site'];
    for (const folder of folders) {
      const key = `${folder}/${JUNK}-${this.done.get('junk is in the store') ?? 0}`;
      await this.world.store.put([{ key, value: junk[int(this.#random, junk.length)], revision: 0 }]);
    }
    this.#count('junk is in the store');
  }
}
