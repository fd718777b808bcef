/** The real migrator moves one real VM, with one fault. A watcher checks the rules. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestBed } from '#deploy/testbed/world.ts';
import { createMigrator, type MigratorService } from '#services/migrator/service.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { type Data, type Event, envelop, type Phase, TERMINAL_TYPES, type VmSpec } from '#shared/events/index.ts';
import type { Hypervisor } from '#shared/hypervisor/hypervisor.ts';
import type { AgentClient } from '#shared/hypervisor/qemu/client.ts';
import { type QemuHypervisor, qemuHypervisor } from '#shared/hypervisor/qemu/driver.ts';
import type { InstanceStatus, OrderName } from '#shared/hypervisor/qemu/protocol.ts';
import type { DriverRules } from '#shared/hypervisor/qemu/run.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { orderMove } from '../placement-order.ts';
import { Life } from '../property/life.ts';
import { decided } from '../unit/shared/migration/world.ts';

const LOOK_MS = 30;
/** The longest wait: the migrator inspects a stalled copy several times before it gives up. */
const PATIENCE_MS = 45_000;
const log = createLog('silent');
const RULES: DriverRules = {
  ...{ announce: 'before', joinMs: 500, stallMs: 3000, maxRounds: 30, maxPauseMs: 5000, postCopy: false },
};

type Terminal = Extract<Event, { type: (typeof TERMINAL_TYPES)[number] }>;

/** The two sites of a move. */
export interface Ends {
  readonly from: string;
  readonly to: string;
}

/** An action on the world of a move. */
export type Act = (world: FaultWorld) => Promise<void>;

/** One fault: `strike` acts while the move is held, and `heal` repairs it later. */
export interface Fault {
  readonly strike: Act;
  readonly heal?: Act;
}

/**
 * The point of a fault: before an order of a step reaches an agent, or after its execution. Without an order, the fault strikes
 * at the begin of the step.
 */
export interface Point {
  readonly step: Phase;
  readonly before?: OrderName;
  readonly after?: OrderName;
}

export class FaultWorld {
  readonly bed: TestBed;
  readonly vm: string;
  readonly spec: VmSpec;
  readonly rules: DriverRules;
  /** The events of the VM's migrations. */
  readonly events: Event[] = [];
  /** Each sighting of the VM at two sites. */
  readonly atTwoSites: string[] = [];
  /** The number of sightings of the running VM. */
  sightings = 0;
  readonly #bus = memoryBus({ partitions: 1 });
  readonly #store = memoryStore();
  #running: { life: Life; driver: QemuHypervisor; service: MigratorService } | undefined;
  #planned: { point: Point; fault: Fault } | undefined;
  #fault: Promise<void> | undefined;
  /** The step under way. */
  #step: Phase | undefined;
  /** The step in which the fault struck. */
  struckIn: Phase | undefined;
  /** The sites of the present or last move. */
  ends: Ends = { from: '', to: '' };
  #seq = 0;
  #watching = true;
  #watcher: Promise<void> = Promise.resolve();

  constructor(bed: TestBed, vm: string, spec: VmSpec, rules: Partial<DriverRules> = {}) {
    this.rules = { ...RULES, ...rules };
    this.bed = bed;
    this.vm = vm;
    this.spec = spec;
  }

  async open(): Promise<void> {
    const atMs = Date.now();
    for (const site of this.bed.topology.sites) {
      const data = { ...site, atMs, vms: [], draining: false, uplinks: uplinksOf(site) };
      await this.#bus.publish([envelop({ type: 'site.reported.v1', data }, `site:${site.site}`, '/test')]);
    }
    const types = [
      'migration.accepted.v1',
      'migration.started.v1',
      'migration.switched.v1',
      ...TERMINAL_TYPES,
    ] as const;
    await this.#bus.subscribe({ group: 'test', types: [...types] }, async (batch) => {
      for (const { event } of batch) this.events.push(event);
    });
    await this.startMigrator();
    this.#watcher = this.#watch();
  }

  async startMigrator(): Promise<void> {
    const { topology, sites, hypervisor } = this.bed;
    const { rules } = this;
    const life = new Life();
    const agents = new Map([...this.bed.agents].map(([site, agent]) => [site, this.#held(agent, life)]));
    const driver = qemuHypervisor({ agents, sites: topology.sites, rules, log: createLog('silent') });
    const config = parseConfig(JSON.stringify({ sites, hypervisor, limits: { stepTimeoutMs: 3000 } }), 'faults');
    const service = createMigrator({
      ...{ bus: life.bus(this.#bus), store: life.store(this.#store), clock: life.clock(realClock()) },
      ...{ hypervisor: life.hypervisor(this.#breaking(driver)), config, log },
    });
    this.#running = { life, driver, service };
    await service.start();
  }

  /** Kills the migrator: it has no further effect. */
  killMigrator(): void {
    this.#running?.life.end();
    this.#running?.driver.close();
    this.#running = undefined;
  }

  /** Moves the VM. @returns the terminal event, after the fault is healed */
  async move(from: string, to: string, broken?: { point: Point; fault: Fault }): Promise<Terminal> {
    const seq = ++this.#seq;
    this.#planned = broken;
    this.#fault = undefined;
    this.struckIn = undefined;
    this.ends = { from, to };
    const fact = decided(this.vm, seq, { from, to, atMs: Date.now(), spec: this.spec });
    await orderMove(this.#bus, this.#store, fact);
    const end = await until(() => this.endsOf(seq)[0], `the end of ${from} > ${to}`);
    await this.#fault;
    return end;
  }

  /** The terminal events of the move with this number. */
  endsOf(seq: number): Terminal[] {
    return this.events.filter(
      (event): event is Terminal =>
        (TERMINAL_TYPES as readonly string[]).includes(event.type) &&
        (event.data as Data<'migration.failed.v1'>).migration === `${this.vm}:${seq}`,
    );
  }

  async at(site: string): Promise<InstanceStatus | undefined> {
    return (await this.bed.agents.get(site)!.instance(this.vm)).instance;
  }

  /** The states of the VM by site. */
  async states(): Promise<Record<string, string>> {
    const states: Record<string, string> = {};
    for (const { site } of this.bed.topology.sites) {
      const instance = await this.at(site);
      if (instance) states[site] = instance.state + (instance.migration === undefined ? '' : `, ${instance.role}`);
    }
    return states;
  }

  /** Stops the watcher and the migrator. */
  async leave(): Promise<void> {
    this.#watching = false;
    await this.#watcher;
    const { life, driver, service } = this.#running ?? {};
    await service?.stop();
    life?.end();
    driver?.close();
    await this.#bus.close();
  }

  /** Wraps the driver: records the step under way, and strikes at the begin of the planned step. */
  #breaking(driver: QemuHypervisor): Hypervisor {
    return {
      listen: (listener) =>
        driver.listen((report) => {
          if ((report.kind === 'done' || report.kind === 'failed') && report.step === this.#step)
            this.#step = undefined;
          listener(report);
        }),
      begin: (step, move) => {
        this.#step = step;
        driver.begin(step, move);
        const point = this.#planned?.point;
        if (point?.step === step && point.before === undefined && point.after === undefined)
          this.#strike().catch(() => {});
      },
      abort: (move) => driver.abort(move),
      inspect: (move) => driver.inspect(move),
    };
  }

  /** Wraps an agent: holds its orders at the planned point until the fault has struck. */
  #held(agent: AgentClient, life: Life): AgentClient {
    const isPlanned = (side: 'before' | 'after', order: OrderName) =>
      this.#planned?.point.step === this.#step && this.#planned?.point[side] === order;
    const order: AgentClient['order'] = async (vm, name, body) => {
      if (isPlanned('before', name)) await this.#strike();
      // A dead migrator gives no orders.
      if (life.dead) throw new Error('the migrator is dead');
      const answer = await agent.order(vm, name, body);
      if (isPlanned('after', name)) await this.#strike();
      return answer;
    };
    return {
      ...agent,
      get clockAheadMs() {
        return agent.clockAheadMs;
      },
      order,
    };
  }

  /** Strikes once. Resolves before the fault is healed. */
  async #strike(): Promise<void> {
    const { fault } = this.#planned!;
    this.#planned = undefined;
    this.struckIn = this.#step;
    const struck = fault.strike(this);
    this.#fault = struck.then(() => fault.heal?.(this));
    // `move` awaits it and gets the error.
    this.#fault.catch(() => {});
    await struck;
  }

  async #watch(): Promise<void> {
    const sites = this.bed.topology.sites.map(({ site }) => site);
    const look = async () => {
      // A site without an agent gives no answer; the other one does.
      const states = await Promise.all(sites.map((site) => this.at(site).catch(() => undefined)));
      return sites.filter((_, i) => states[i]?.state === 'running');
    };
    while (this.#watching) {
      const running = await look();
      this.sightings += running.length;
      // The two answers are from different instants, so that a second look confirms it.
      if (running.length > 1 && (await look()).length > 1) this.atTwoSites.push(`at ${running.join(' and ')}`);
      await sleep(LOOK_MS);
    }
  }
}

/** Waits until `get` returns a value. */
export async function until<T>(
  get: () => T | undefined | Promise<T | undefined>,
  what: string,
  ms = PATIENCE_MS,
): Promise<T> {
  for (const untilMs = Date.now() + ms; ; await sleep(20)) {
    const got = await get();
    if (got !== undefined) return got;
    if (Date.now() > untilMs) throw new Error(`${what} did not come within ${ms} ms`);
  }
}

function uplinksOf({ uplinks }: TestBed['topology']['sites'][number]) {
  return uplinks.map(({ provider, rateBps }) => ({ provider, rateBps }));
}
