/**
 * The real placement and migrator, as one process each or several, on one bus, store, hypervisor and virtual clock, driven
 * step by step. Each process can be stopped, or killed at any of its reads, writes and orders, and is then started again on
 * what it left behind. After every instant it is checked that no safety rule is broken.
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
import { type Data, type Event, envelop, type Fact, partitionOf, TERMINAL_TYPES } from '#shared/events/index.ts';
import type { Fault } from '#shared/hypervisor/simulated/faults.ts';
import { type SimulatedHypervisor, simulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { positionAt, SPEC, START_MS, UPLINKS } from '../unit/shared/policy/world.ts';
import { Broken, most } from './broken.ts';
import { Life } from './life.ts';

const log = createLog('silent');

/** Four sites on a line, 100 km from one to the next, two ways between any two. */
export const SITES = ['s0', 's1', 's2', 's3'] as const;
const PARTITIONS = 4;
/** Any speed is believed, because the commands move users from site to site at once. */
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

/** A process. The first of its kind is called as the service is. */
export type Who = 'placement' | 'placement-2' | 'placement-3' | 'migrator' | 'migrator-2';

export const ONE_OF_EACH: readonly Who[] = ['migrator', 'placement'];
export const SEVERAL: readonly Who[] = ['migrator', 'migrator-2', 'placement', 'placement-2', 'placement-3'];

type Running = { readonly life: Life } & (
  | { readonly kind: 'placement'; readonly service: PlacementService }
  | { readonly kind: 'migrator'; readonly service: MigratorService }
);

export interface HarnessOptions {
  readonly vms?: number;
  /** Taken one for each step that a move begins. */
  readonly faults?: readonly (Fault | undefined)[];
  readonly config?: Config;
  /** The processes that there are. @default one placement and one migrator */
  readonly processes?: readonly Who[];
}

export class Harness {
  readonly config: Config;
  readonly clock: VirtualClock = virtualClock(START_MS);
  readonly bus: MemoryBus = memoryBus({ partitions: PARTITIONS });
  readonly store: Store = memoryStore();
  readonly hypervisor: SimulatedHypervisor;
  readonly siteReporter: SiteReporter;
  readonly vms: readonly string[];
  readonly processes: readonly Who[];
  /** How often a process was stopped or has died. */
  ends = 0;
  /** Everything that was published, in order, each id once. */
  readonly said: Event[] = [];
  readonly #saidById = new Map<string, Event>();
  readonly #running = new Map<Who, Running>();
  /** Who is away, and until when. */
  readonly #away = new Map<Who, number>();
  #faults: (Fault | undefined)[];
  #serial = 0;
  #complete = false;
  readonly #places = new Map<string, number>();

  private constructor({ vms = 3, faults = [], config = configFor(), ...options }: HarnessOptions) {
    this.config = config;
    this.processes = options.processes ?? ONE_OF_EACH;
    this.#faults = [...faults];
    this.vms = Array.from({ length: vms }, (_, i) => `v${i}`);
    this.hypervisor = simulatedHypervisor({
      clock: this.clock,
      model: config.move,
      network: config.network,
      faults: () => this.#faults.shift(),
    });
    const { sites, heartbeatMs } = config;
    const hosts = simulatedHosts(this.hypervisor, sites);
    const shared = { bus: this.#tapped(), store: this.store, clock: this.clock, hosts, log };
    const registry = siteRegistry({ ...shared, config, moves: () => this.migrator?.status() ?? [] });
    this.siteReporter = siteReporter({ ...shared, sites: registry, heartbeatMs });
  }

  /** A world in which VM `v<i>` runs at site `s<i mod 4>` and user `u<i>` is attached to it. */
  static async create(options: HarnessOptions = {}): Promise<Harness> {
    const harness = new Harness(options);
    for (const who of harness.processes) await harness.#start(who);
    await harness.siteReporter.start();
    await harness.settle();
    for (const [i, vm] of harness.vms.entries()) {
      const home = SITES[i % SITES.length]!;
      await harness.tell({ type: 'vm.declared.v1', data: { vm, atMs: harness.nowMs, home, spec: SPEC } });
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
  /** The placement that holds a VM; undefined while none does. */
  placementOf(vm: string): PlacementService | undefined {
    const partition = partitionOf(vm, PARTITIONS);
    return this.#placements.find((service) => service.status().partitions.held.includes(partition));
  }
  /** All VMs, as the placements that hold them have them. */
  located(): PlacementStatus['vms'] {
    return this.#placements.flatMap((service) => service.status().vms);
  }
  /** The migrator on duty; undefined while none is. */
  get migrator(): MigratorService | undefined {
    const migrators = this.#alive().flatMap((running) => (running.kind === 'migrator' ? [running.service] : []));
    const onDuty = migrators.filter((service) => service.isLeader);
    if (onDuty.length > 1) throw new Broken(3, `${onDuty.length} migrators are on duty`);
    return onDuty[0];
  }

  /** Publishes a fact under a new id, so that no bus takes a repeat for one, and waits for what follows from it. */
  async tell(...facts: Fact[]): Promise<void> {
    await this.#tapped().publish(facts.map((fact) => envelop(fact, `test:${this.#serial++}`, '/test')));
    await this.settle();
  }

  /** Says again what was said, under an id that no bus remembers. */
  async repeat(event: Event): Promise<void> {
    await this.bus.publish([{ ...event, id: `again:${this.#serial++}` } as Event]);
    await this.settle();
  }

  async attach(vm: string, user: string): Promise<void> {
    await this.tell({ type: 'session.attached.v1', data: { vm, user, atMs: this.nowMs, weight: 1 } });
  }

  /** Where along the line a user was last. */
  placeOf(user: string): number {
    return this.#places.get(user) ?? 0;
  }

  async fix(vm: string, user: string, place: number, atMs = this.nowMs): Promise<void> {
    if (atMs === this.nowMs) this.#places.set(user, place);
    await this.tell({ type: 'location.reported.v1', data: { vm, user, atMs, ...positionAt(place) } });
  }

  /** An operator's word; that it may be refused is part of the game. */
  async ask(request: () => Promise<void> | undefined): Promise<void> {
    try {
      await request();
    } catch (error) {
      // Refused by name, or the service died over it.
      if (!(error instanceof TagalongError) && !Life.isDeath(error)) throw error;
    }
    await this.settle();
  }

  /** Lets time pass: every instant at which something happens is lived through to its end and checked. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.clock.now() + ms;
    await this.settle();
    for (;;) {
      const backMs = Math.min(untilMs, ...this.#away.values());
      if ((this.clock.nextMs() ?? Number.POSITIVE_INFINITY) <= backMs) this.clock.step(backMs);
      else this.clock.advanceTo(backMs);
      await this.settle();
      if (this.clock.now() >= untilMs && (this.clock.nextMs() ?? Number.POSITIVE_INFINITY) > untilMs) break;
    }
  }

  /** Lets time pass until some migration is in that state, for a minute at most: some states are over in no time. */
  async approach(state: string): Promise<void> {
    const untilMs = this.clock.now() + 60_000;
    while (!this.migrator?.status().some((status) => status.state === state)) {
      const nextMs = this.clock.nextMs() ?? Number.POSITIVE_INFINITY;
      if (nextMs > untilMs) return;
      await this.pass(Math.max(0, nextMs - this.clock.now()));
    }
  }

  /** Everything that was caused has happened, whoever had to be started again for it; then the rules are checked. */
  async settle(): Promise<void> {
    for (;;) {
      for (const { service } of this.#running.values()) await service.idle();
      await this.bus.idle();
      this.#buryTheDead();
      const due = [...this.#away].filter(([, atMs]) => atMs <= this.clock.now()).map(([who]) => who);
      for (const who of due) {
        await this.#start(who).catch((error) => {
          // Killed while it started.
          if (!Life.isDeath(error)) throw error;
        });
      }
      const busy = [...this.#running.values()].some(({ service }) => service.busy);
      if (!busy && due.length === 0) break;
    }
    if (this.#complete) this.#check();
  }

  /** Stops a service in good order. It is back after `awayMs`. */
  async stop(who: Who, awayMs: number): Promise<void> {
    const running = this.#running.get(who);
    if (running === undefined || running.life.dead) return;
    await running.service.stop();
    running.life.end();
    this.ends++;
    this.#running.delete(who);
    this.#away.set(who, this.clock.now() + awayMs);
    await this.settle();
  }

  /** Lets a service die at its next `operations`-th read, write or order: before it has an effect, or after. */
  arm(who: Who, operations: number, after: boolean, awayMs: number): void {
    this.#running.get(who)?.life.arm(operations, after, awayMs);
  }

  /** Ends all faults, lets everybody live, and runs until every move that was decided has ended. */
  async rest(): Promise<void> {
    this.#faults = [];
    for (const { life } of this.#running.values()) life.disarm();
    for (const who of this.#away.keys()) this.#away.set(who, this.clock.now());
    await this.settle();
    for (let i = 0; i < 500 && this.unended().length > 0; i++) await this.pass(10_000);
  }

  async close(): Promise<void> {
    for (const { service } of this.#running.values()) await service.stop();
    await this.siteReporter.stop();
    await this.bus.close();
  }

  of<T extends Event['type']>(...types: T[]): Extract<Event, { type: T }>[] {
    return this.said.filter((event) => (types as string[]).includes(event.type)) as never;
  }

  /** Moves that were decided and have not come to their terminal event. */
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

  async #start(who: Who): Promise<void> {
    this.#away.delete(who);
    const life = new Life();
    const bus = life.bus(this.#tapped());
    const common = { bus, store: life.store(this.store), clock: life.clock(this.clock), config: this.config, log };
    const running: Running = who.startsWith('placement')
      ? { life, kind: 'placement', service: createPlacement(common) }
      : {
          ...{ life, kind: 'migrator' },
          service: createMigrator({ ...common, hypervisor: life.hypervisor(this.hypervisor) }),
        };
    this.#running.set(who, running);
    await running.service.start();
  }

  #buryTheDead(): void {
    for (const [who, { life }] of this.#running) {
      if (!life.dead) continue;
      this.ends++;
      this.#running.delete(who);
      this.#away.set(who, this.clock.now() + life.awayMs);
    }
  }

  /** The bus, with a record of what is published. */
  #tapped(): MemoryBus {
    return {
      ...this.bus,
      publish: (events) => {
        for (const event of events) this.#record(event);
        return this.bus.publish(events);
      },
    };
  }

  #record(event: Event): void {
    const known = this.#saidById.get(event.id);
    if (known === undefined) {
      this.#saidById.set(event.id, event);
      this.said.push(event);
    } else if (!isDeepStrictEqual(JSON.parse(JSON.stringify(known)), JSON.parse(JSON.stringify(event)))) {
      throw new Broken(5, `${event.id} was said in two ways: ${JSON.stringify(known)} and ${JSON.stringify(event)}`);
    }
  }

  #check(): void {
    for (const vm of this.vms) this.#checkPlace(vm);
    this.#checkLimits();
  }

  #checkPlace(vm: string): void {
    const running = this.hypervisor.running(vm);
    if (running.length > 1) throw new Broken(1, `${vm} runs at ${running.join(' and ')}`);
    const kept = SITES.filter((site) => this.hypervisor.vmsAt(site).includes(vm));
    if (kept.length !== 1) throw new Broken(2, `${vm} is kept at ${kept.join(' and ') || 'no site'}`);
    // It may only stand still for a switch-over, and somebody must be there to end it.
    const moving = this.migrator?.status().some((status) => status.vm === vm) ?? true;
    if (running.length === 0 && !moving) throw new Broken(2, `${vm} is stopped, and no migration is under way`);
  }

  #checkLimits(): void {
    const ended = new Set(this.of(...TERMINAL_TYPES).map(({ data }) => data.migration));
    const { movesPerSite, movesPerPath } = this.config.limits;
    const accepted = this.of('migration.accepted.v1').filter(({ data }) => !ended.has(data.migration));
    const started = this.of('migration.started.v1').filter(({ data }) => !ended.has(data.migration));
    const sites = started.flatMap(({ data }) => [data.from, data.to]);
    const twice = most(accepted.map(({ data }) => data.vm));
    if (twice.n > 1) throw new Broken(3, `${twice.key} has ${twice.n} migrations at once`);
    const site = most(sites);
    if (site.n > movesPerSite) throw new Broken(3, `${site.n} migrations at ${site.key}`);
    const path = most(started.flatMap(({ data }) => data.paths));
    if (path.n > movesPerPath) throw new Broken(3, `${path.n} migrations on ${path.key}`);
    const pathless = started.find(({ data }) => data.paths.length !== 2);
    if (pathless) throw new Broken(3, `${pathless.data.migration} counts on ${pathless.data.paths.length} of 2 paths`);
  }
}
