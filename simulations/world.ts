/**
 * Policy, migrator and simulated hypervisor in one process without a bus. They pass facts to each other directly, in the order in
 * which the bus would deliver them. Use it for runs that must be fast or exact.
 */
import type { SiteSpec } from '#services/replay/site-lists.ts';
import { alarm } from '#shared/clock/alarm.ts';
import type { VirtualClock } from '#shared/clock/virtual.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Data, Fact } from '#shared/events/index.ts';
import type { Faults } from '#shared/hypervisor/simulated/faults.ts';
import { type SimulatedHypervisor, simulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { Migrations } from '#shared/migration/migrations.ts';
import type { LocationOutcome } from '#shared/policy/decide/outcomes.ts';
import { Placement, type Position } from '#shared/policy/placement.ts';
import type { AnyPolicy } from '#shared/policy/rules/named.ts';
import { batchesOf } from '#shared/policy/state/ended-stays.ts';
import type { Forecast } from '#shared/policy/state/forecast.ts';
import type { Session, Vm } from '#shared/policy/state/state.ts';

/** The cores of placement and migrator, and the hypervisor that carries out the moves. */
export interface World {
  readonly placement: Placement;
  readonly migrations: Migrations;
  readonly hypervisor: SimulatedHypervisor;
  /** Applies a fact to the cores, and then every decision, event and order that follows from it at this instant. */
  tell(fact: Fact): void;
  /** Does the same for a position that is no event yet. @returns true if the position counted */
  locate(fix: Data<'location.reported.v1'>): boolean;
  /** Does the same for a caller that has looked up the VM and the session: the hot path. */
  locateAt(vm: Vm, session: Session, fix: Position): boolean;
  /** Adds a site to the hypervisor, and reports it to the policy. */
  declareSite(site: SiteSpec): void;
  /** Stops the timer of the policy, so that it orders no new move. Moves under way go on to their end. */
  stopOrdering(): void;
}

/** The parameters of {@link createWorld}. */
export interface WorldOptions {
  readonly config: Config;
  readonly clock: VirtualClock;
  readonly faults?: Faults;
  /** False: decisions do not list their candidates. @default true */
  readonly explains?: boolean;
  /** Replaces the policy that the configuration names. */
  readonly policyOverride?: AnyPolicy;
  /** The forecast of stays to use instead of a new one. */
  readonly forecast?: Forecast;
  /** Called for every decision and every migration event, in order. */
  readonly observe?: (fact: Fact) => void;
}

/** Creates a world without sites and VMs. @throws TagalongError POLICY_UNKNOWN */
export function createWorld(options: WorldOptions): World {
  return new SimulatedWorld(options);
}

class SimulatedWorld implements World {
  readonly placement: Placement;
  readonly migrations: Migrations;
  readonly hypervisor: SimulatedHypervisor;
  readonly #clock: VirtualClock;
  readonly #partitions: number;
  readonly #observe: (fact: Fact) => void;
  readonly #wakePlacement: (atMs: number | undefined) => void;
  readonly #wakeMigrations: (atMs: number | undefined) => void;
  #mayOrder = true;

  constructor(options: WorldOptions) {
    const { config, clock, faults, explains = true, policyOverride, forecast, observe = () => {} } = options;
    const { network, move, limits } = config;
    // Sites send no heartbeats here, so they must not count as silent.
    const policy = { ...config.policy, siteSilentMs: Number.POSITIVE_INFINITY };
    const { plausibility } = config.ingest;
    this.#clock = clock;
    this.#partitions = config.bus.partitions;
    this.#observe = observe;
    const settings = { network, move, policy, limits, plausibility, explains };
    this.placement = new Placement(settings, policyOverride, forecast);
    this.migrations = new Migrations(limits);
    this.hypervisor = simulatedHypervisor({ clock, model: move, network, ...(faults && { faults }) });

    this.#wakePlacement = alarm(clock, () => {
      this.placement.advance(this.#nowMs());
      this.#settle();
    });
    this.#wakeMigrations = alarm(clock, () => {
      this.migrations.advance(this.#nowMs());
      this.#settle();
    });
    this.hypervisor.listen((report) => {
      this.migrations.report(report, this.#nowMs());
      this.#settle();
    });
  }

  tell(fact: Fact): void {
    if (fact.type === 'vm.declared.v1') this.hypervisor.startVm(fact.data.vm, fact.data.home);
    if (fact.type === 'vm.retired.v1') this.hypervisor.remove(fact.data.vm);
    this.placement.apply(fact, this.#nowMs());
    this.migrations.apply(fact, this.#nowMs());
    this.#settle();
  }

  locate(fix: Data<'location.reported.v1'>): boolean {
    return this.#settled(this.placement.location(fix, this.#nowMs()));
  }

  locateAt(vm: Vm, session: Session, fix: Position): boolean {
    return this.#settled(this.placement.locate(vm, session, fix, this.#nowMs()));
  }

  declareSite(site: SiteSpec): void {
    this.hypervisor.declareSite(site);
    this.tell({ type: 'site.reported.v1', data: { ...site, atMs: this.#nowMs(), vms: [], draining: false } });
  }

  stopOrdering(): void {
    this.#mayOrder = false;
    this.#wakePlacement(undefined);
  }

  /** The times of events are whole milliseconds. */
  #nowMs(): number {
    return Math.round(this.#clock.now());
  }

  /** True: the position counted. */
  #settled(outcome: LocationOutcome): boolean {
    // After a quiet position there is nothing to settle. Nearly all positions are quiet.
    if (outcome === 'quiet') return true;
    if (outcome === 'looked') this.#settle();
    return outcome === 'looked';
  }

  /** Passes decisions to the migrator and migration events to the policy, until neither has another one. */
  #settle(): void {
    const { placement, migrations, hypervisor } = this;
    for (;;) {
      const { decisions, stays } = placement.drain();
      for (const batch of batchesOf(stays, this.#partitions)) placement.forecast.add(batch);
      if (decisions.length === 0 && !migrations.pending) break;
      for (const data of decisions) {
        const fact: Fact = { type: 'placement.decided.v1', data };
        this.#observe(fact);
        migrations.apply(fact, this.#nowMs());
      }
      if (!migrations.pending) continue;
      const { events, orders } = migrations.drain();
      for (const { fact } of events) {
        this.#observe(fact);
        placement.apply(fact, this.#nowMs());
      }
      for (const order of orders) {
        if (order.kind === 'begin') hypervisor.begin(order.step, order.move);
        else hypervisor[order.kind](order.move);
      }
    }
    this.#wakePlacement(this.#mayOrder ? placement.nextWakeMs() : undefined);
    this.#wakeMigrations(migrations.nextWakeMs());
  }
}
