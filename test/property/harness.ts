/**
 * Drives the real placement and migrator step by step, with one or several processes each, on one bus, store, simulated hypervisor
 * and virtual clock. A test can stop each process, or kill it at any read, write or order. The harness starts it again on the same
 * store. After each instant the harness checks the safety rules.
 */
import { isDeepStrictEqual } from 'node:util';
import { createMigrator, type MigratorService } from '#services/migrator/service.ts';
import { createPlacement, type PlacementService } from '#services/placement/service.ts';
import type { PlacementStatus } from '#services/placement/status.ts';
import { simulatedHosts } from '#services/sites/hosts/simulated.ts';
import { siteRegistry } from '#services/sites/registry.ts';
import { type SiteReporter, siteReporter } from '#services/sites/reporter.ts';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import {
  type Affinity,
  type Data,
  type Event,
  envelop,
  type Fact,
  partitionOf,
  TERMINAL_TYPES,
} from '#shared/events/index.ts';
import type { Fault } from '#shared/hypervisor/simulated/faults.ts';
import { type SimulatedHypervisor, simulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { positionAt, SPEC, START_MS, UPLINKS } from '../unit/shared/policy/world.ts';
import { mostFrequent, RuleBroken } from './broken.ts';
import { Life } from './life.ts';

const log = createLog('silent');

/** Four sites on a line, 100 km from one to the next, with two paths between any two. */
export const SITES = ['s0', 's1', 's2', 's3'] as const;
const PARTITIONS = 4;
/** The configuration accepts any speed, because the commands move users from site to site in no time. */
export function configFor(limits: { movesPerSite?: number; movesPerPath?: number } = {}): Config {
  const sites = SITES.map((site, i) => ({
    site,
    ...positionAt(i),
    slots: 10,
    uplinks: UPLINKS,
  }));
  return parseConfig(
    JSON.stringify({
      sites,
      heartbeatMs: 20_000,
      bus: { partitions: PARTITIONS },
      ingest: { plausibility: { maxSpeedMps: 3e8 } },
      policy: { siteSilentMs: 70_000, coolingMs: 30_000, backOffMs: 10_000, maxMovesPerHour: 60 },
      limits: { movesPerSite: 1, movesPerPath: 1, queueMs: 30_000, stepTimeoutMs: 10_000, ...limits },
    }),
    'property',
  );
}

/** The name of a process. The first one of a service has the name of the service. */
export type ProcessName = 'placement' | 'placement-2' | 'placement-3' | 'migrator' | 'migrator-2';

export const ONE_OF_EACH: readonly ProcessName[] = ['migrator', 'placement'];
export const SEVERAL: readonly ProcessName[] = ['migrator', 'migrator-2', 'placement', 'placement-2', 'placement-3'];

type Running = { readonly life: Life } & (
  | { readonly kind: 'placement'; readonly service: PlacementService }
  | { readonly kind: 'migrator'; readonly service: MigratorService }
);

export interface HarnessOptions {
  readonly vms?: number;
  /** Begins the names of the VMs. @default nothing */
  readonly prefix?: string;
  /** The faults of the steps that moves begin, in order. */
  readonly faults?: readonly (Fault | undefined)[];
  readonly config?: Config;
  /** The declared affinities, by VM. */
  readonly affinities?: Readonly<Record<string, Affinity>>;
  /** The processes to start. @default one placement and one migrator */
  readonly processes?: readonly ProcessName[];
}

export class Harness {
  readonly config: Config;
  readonly clock: VirtualClock = virtualClock(START_MS);
  readonly bus: MemoryBus = memoryBus({ partitions: PARTITIONS });
  readonly store: Store = memoryStore();
  readonly hypervisor: SimulatedHypervisor;
  readonly siteReporter: SiteReporter;
  readonly vms: readonly string[];
  readonly processes: readonly ProcessName[];
  /** Number of stops and kills so far. */
  ends = 0;
  /** All published events in order, each id once. */
  readonly published: Event[] = [];
  readonly #publishedById = new Map<string, Event>();
  readonly #running = new Map<ProcessName, Running>();
  /** The stopped processes, with the time of their next start. */
  readonly #stopped = new Map<ProcessName, number>();
  #faults: (Fault | undefined)[];
  #serial = 0;
  #complete = false;
  readonly #places = new Map<string, number>();

  private constructor({ vms = 3, prefix = '', faults = [], config = configFor(), ...options }: HarnessOptions) {
    this.config = config;
    this.processes = options.processes ?? ONE_OF_EACH;
    this.#faults = [...faults];
    this.vms = Array.from({ length: vms }, (_, i) => `${prefix}v${i}`);
    this.hypervisor = simulatedHypervisor({
      clock: this.clock,
      model: config.move,
      network: config.network,
      faults: () => this.#faults.shift(),
    });
    const { sites, heartbeatMs } = config;
    const hosts = simulatedHosts(this.hypervisor, sites);
    const shared = { bus: this.#recordingBus(), store: this.store, clock: this.clock, hosts, log };
    const registry = siteRegistry({ ...shared, config, moves: () => this.migrator?.status() ?? [] });
    this.siteReporter = siteReporter({ ...shared, sites: registry, heartbeatMs });
  }

  /** Starts a harness. VM `v<i>` runs at site `s<i mod 4>`, and user `u<i>` is attached to it. */
  static async create(options: HarnessOptions = {}): Promise<Harness> {
    const harness = new Harness(options);
    for (const name of harness.processes) await harness.#start(name);
    await harness.siteReporter.start();
    await harness.settle();
    for (const [i, vm] of harness.vms.entries()) {
      const home = SITES[i % SITES.length]!;
      const affinity = options.affinities?.[vm];
      const data = { vm, atMs: harness.nowMs, home, spec: SPEC, ...(affinity && { affinity }) };
      await harness.publish({ type: 'vm.declared.v1', data });
      await harness.attach(vm, `u${i}`);
    }
    harness.#complete = true;
    return harness;
  }

  get nowMs(): number {
    return Math.round(this.clock.now());
  }
  get #placements(): PlacementService[] {
    return this.#alive().flatMap((running) => (running.kind === 'placement' ? [running.service] : []));
  }
  /** The placement that owns the VM's partition; undefined while none does. */
  placementOf(vm: string): PlacementService | undefined {
    const partition = partitionOf(vm, PARTITIONS);
    return this.#placements.find((service) => service.status().partitions.held.includes(partition));
  }
  /** All VMs, from the status of the placements that own them. */
  located(): PlacementStatus['vms'] {
    return this.#placements.flatMap((service) => service.status().vms);
  }
  /** The leading migrator; undefined while none leads. */
  get migrator(): MigratorService | undefined {
    const migrators = this.#alive().flatMap((running) => (running.kind === 'migrator' ? [running.service] : []));
    const leaders = migrators.filter((service) => service.isLeader);
    if (leaders.length > 1) throw new RuleBroken(3, `${leaders.length} migrators lead at once`);
    return leaders[0];
  }

  /** Publishes facts under new ids, so that the bus drops none as a repeat, and settles. */
  async publish(...facts: Fact[]): Promise<void> {
    await this.#recordingBus().publish(facts.map((fact) => envelop(fact, `test:${this.#serial++}`, '/test')));
    await this.settle();
  }

  /** Publishes an event again, under an id that the bus does not know. */
  async repeat(event: Event): Promise<void> {
    await this.bus.publish([{ ...event, id: `again:${this.#serial++}` } as Event]);
    await this.settle();
  }

  async attach(vm: string, user: string): Promise<void> {
    await this.publish({ type: 'session.attached.v1', data: { vm, user, atMs: this.nowMs, weight: 1 } });
  }

  /** The last place of a user on the line, in units of 100 km. */
  placeOf(user: string): number {
    return this.#places.get(user) ?? 0;
  }

  async fix(vm: string, user: string, place: number, atMs = this.nowMs): Promise<void> {
    if (atMs === this.nowMs) this.#places.set(user, place);
    await this.publish({ type: 'location.reported.v1', data: { vm, user, atMs, ...positionAt(place) } });
  }

  /** Sends a request of an operator. The services may refuse it. */
  async ask(request: () => Promise<void> | undefined): Promise<void> {
    try {
      await request();
    } catch (error) {
      // Other errors are faults. The process may also die during the request.
      if (!(error instanceof TagalongError) && !Life.isDeath(error)) throw error;
    }
    await this.settle();
  }

  /** Lets time pass. Settles and checks the rules at each instant with activity. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.clock.now() + ms;
    await this.settle();
    for (;;) {
      const backMs = Math.min(untilMs, ...this.#stopped.values());
      if ((this.clock.nextMs() ?? Number.POSITIVE_INFINITY) <= backMs) this.clock.step(backMs);
      else this.clock.advanceTo(backMs);
      await this.settle();
      if (this.clock.now() >= untilMs && (this.clock.nextMs() ?? Number.POSITIVE_INFINITY) > untilMs) break;
    }
  }

  /** Lets time pass until a migration is in this state, or a minute is over: some states last no time. */
  async runUntil(state: string): Promise<void> {
    const untilMs = this.clock.now() + 60_000;
    while (!this.migrator?.status().some((status) => status.state === state)) {
      const nextMs = this.clock.nextMs() ?? Number.POSITIVE_INFINITY;
      if (nextMs > untilMs) return;
      await this.pass(Math.max(0, nextMs - this.clock.now()));
    }
  }

  /** Waits until all services are idle, starts the processes that are due, and then checks the rules. */
  async settle(): Promise<void> {
    for (;;) {
      for (const { service } of this.#running.values()) await service.idle();
      await this.bus.idle();
      this.#removeDead();
      const due = [...this.#stopped].filter(([, atMs]) => atMs <= this.clock.now()).map(([name]) => name);
      for (const name of due) {
        await this.#start(name).catch((error) => {
          // A process may be killed during its start.
          if (!Life.isDeath(error)) throw error;
        });
      }
      const busy = [...this.#running.values()].some(({ service }) => service.busy);
      if (!busy && due.length === 0) break;
    }
    if (this.#complete) this.#check();
  }

  /** Stops a process in order. It starts again after `awayMs`. */
  async stop(name: ProcessName, awayMs: number): Promise<void> {
    const running = this.#running.get(name);
    if (running === undefined || running.life.dead) return;
    await running.service.stop();
    running.life.end();
    this.ends++;
    this.#running.delete(name);
    this.#stopped.set(name, this.clock.now() + awayMs);
    await this.settle();
  }

  /** Kills a process at its `operations`-th read, write or order from now: before its effect, or after. */
  arm(name: ProcessName, operations: number, after: boolean, awayMs: number): void {
    this.#running.get(name)?.life.arm(operations, after, awayMs);
  }

  /** Removes all faults and kills, and runs until each decided move has ended. */
  async finishMoves(): Promise<void> {
    this.#faults = [];
    for (const { life } of this.#running.values()) life.disarm();
    for (const name of this.#stopped.keys()) this.#stopped.set(name, this.clock.now());
    await this.settle();
    for (let i = 0; i < 500 && this.unended().length > 0; i++) await this.pass(10_000);
  }

  async close(): Promise<void> {
    for (const { service } of this.#running.values()) await service.stop();
    await this.siteReporter.stop();
    await this.bus.close();
  }

  of<T extends Event['type']>(...types: T[]): Extract<Event, { type: T }>[] {
    return this.published.filter((event) => (types as string[]).includes(event.type)) as never;
  }

  /** The decided moves without a terminal event. */
  unended(): string[] {
    const ended = new Set(this.of(...TERMINAL_TYPES).map(({ data }) => data.migration));
    return this.moves()
      .map(({ decision }) => decision)
      .filter((decision) => !ended.has(decision));
  }

  moves(): Data<'placement.decided.v1'>[] {
    return this.of('placement.decided.v1')
      .map(({ data }) => data)
      .filter(({ verdict }) => verdict === 'move');
  }

  #alive(): Running[] {
    return [...this.#running.values()].filter(({ life }) => !life.dead);
  }

  async #start(name: ProcessName): Promise<void> {
    this.#stopped.delete(name);
    const life = new Life();
    const bus = life.bus(this.#recordingBus());
    const common = { bus, store: life.store(this.store), clock: life.clock(this.clock), config: this.config, log };
    const running: Running = name.startsWith('placement')
      ? { life, kind: 'placement', service: createPlacement(common) }
      : {
          ...{ life, kind: 'migrator' },
          service: createMigrator({ ...common, hypervisor: life.hypervisor(this.hypervisor) }),
        };
    this.#running.set(name, running);
    await running.service.start();
  }

  #removeDead(): void {
    for (const [name, { life }] of this.#running) {
      if (!life.dead) continue;
      this.ends++;
      this.#running.delete(name);
      this.#stopped.set(name, this.clock.now() + life.awayMs);
    }
  }

  /** The bus. It also records the published events. */
  #recordingBus(): MemoryBus {
    return {
      ...this.bus,
      publish: (events) => {
        for (const event of events) this.#record(event);
        return this.bus.publish(events);
      },
    };
  }

  #record(event: Event): void {
    const known = this.#publishedById.get(event.id);
    if (known === undefined) {
      this.#publishedById.set(event.id, event);
      this.published.push(event);
    } else if (!isDeepStrictEqual(JSON.parse(JSON.stringify(known)), JSON.parse(JSON.stringify(event)))) {
      throw new RuleBroken(5, `${event.id} has two contents: ${JSON.stringify(known)} and ${JSON.stringify(event)}`);
    }
  }

  #check(): void {
    for (const vm of this.vms) this.#checkPlace(vm);
    this.#checkLimits();
  }

  #checkPlace(vm: string): void {
    const running = this.hypervisor.running(vm);
    if (running.length > 1) throw new RuleBroken(1, `${vm} runs at ${running.join(' and ')}`);
    const kept = SITES.filter((site) => this.hypervisor.vmsAt(site).includes(vm));
    if (kept.length !== 1) throw new RuleBroken(2, `${vm} is kept at ${kept.join(' and ') || 'no site'}`);
    // A VM may pause only for a switch-over, while a migration of it is under way.
    const moving = this.migrator?.status().some((status) => status.vm === vm) ?? true;
    if (running.length === 0 && !moving) throw new RuleBroken(2, `${vm} is stopped, and no migration is under way`);
  }

  #checkLimits(): void {
    const ended = new Set(this.of(...TERMINAL_TYPES).map(({ data }) => data.migration));
    const { movesPerSite, movesPerPath } = this.config.limits;
    const accepted = this.of('migration.accepted.v1').filter(({ data }) => !ended.has(data.migration));
    const started = this.of('migration.started.v1').filter(({ data }) => !ended.has(data.migration));
    const sites = started.flatMap(({ data }) => [data.from, data.to]);
    const twice = mostFrequent(accepted.map(({ data }) => data.vm));
    if (twice.n > 1) throw new RuleBroken(3, `${twice.key} has ${twice.n} migrations at once`);
    const site = mostFrequent(sites);
    if (site.n > movesPerSite) throw new RuleBroken(3, `${site.n} migrations at ${site.key}`);
    const path = mostFrequent(started.flatMap(({ data }) => data.paths));
    if (path.n > movesPerPath) throw new RuleBroken(3, `${path.n} migrations on ${path.key}`);
    const pathless = started.find(({ data }) => data.paths.length !== 2);
    if (pathless)
      throw new RuleBroken(3, `${pathless.data.migration} counts on ${pathless.data.paths.length} of 2 paths`);
  }
}
