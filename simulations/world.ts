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
export function createWorld({
  config,
  clock,
  faults,
  explains = true,
  policyOverride,
  forecast,
  observe = () => {},
}: WorldOptions): World {
  const { network, move, limits } = config;
  // Sites send no heartbeats here, so they must not count as silent.
  const policy = { ...config.policy, siteSilentMs: Number.POSITIVE_INFINITY };
  const { plausibility } = config.ingest;
  const placement = new Placement({ network, move, policy, limits, plausibility, explains }, policyOverride, forecast);
  const migrations = new Migrations(limits);
  const hypervisor = simulatedHypervisor({ clock, model: move, network, ...(faults && { faults }) });
  let mayOrder = true;
  /** The times of events are whole milliseconds. */
  const nowMs = () => Math.round(clock.now());

  const wakePlacement = alarm(clock, () => {
    placement.advance(nowMs());
    settle();
  });
  const wakeMigrations = alarm(clock, () => {
    migrations.advance(nowMs());
    settle();
  });
  hypervisor.listen((report) => {
    migrations.report(report, nowMs());
    settle();
  });

  /** Passes decisions to the migrator and migration events to the policy, until neither has another one. */
  function settle(): void {
    for (;;) {
      const { decisions, stays } = placement.drain();
      for (const batch of batchesOf(stays, config.bus.partitions)) placement.forecast.add(batch);
      if (decisions.length === 0 && !migrations.pending) break;
      for (const data of decisions) {
        const fact: Fact = { type: 'placement.decided.v1', data };
        observe(fact);
        migrations.apply(fact, nowMs());
      }
      if (!migrations.pending) continue;
      const { events, orders } = migrations.drain();
      for (const { fact } of events) {
        observe(fact);
        placement.apply(fact, nowMs());
      }
      for (const order of orders) {
        if (order.kind === 'begin') hypervisor.begin(order.step, order.move);
        else hypervisor[order.kind](order.move);
      }
    }
    wakePlacement(mayOrder ? placement.nextWakeMs() : undefined);
    wakeMigrations(migrations.nextWakeMs());
  }

  /** True: the position counted. */
  const settled = (outcome: LocationOutcome) => {
    // After a quiet position there is nothing to settle. Nearly all positions are quiet.
    if (outcome === 'quiet') return true;
    if (outcome === 'looked') settle();
    return outcome === 'looked';
  };

  return {
    placement,
    migrations,
    hypervisor,
    tell(fact) {
      if (fact.type === 'vm.declared.v1') hypervisor.startVm(fact.data.vm, fact.data.home);
      if (fact.type === 'vm.retired.v1') hypervisor.remove(fact.data.vm);
      placement.apply(fact, nowMs());
      migrations.apply(fact, nowMs());
      settle();
    },
    locate: (fix) => settled(placement.location(fix, nowMs())),
    locateAt: (vm, session, fix) => settled(placement.locate(vm, session, fix, nowMs())),
    declareSite(site) {
      hypervisor.declareSite(site);
      this.tell({ type: 'site.reported.v1', data: { ...site, atMs: nowMs(), vms: [], draining: false } });
    },
    stopOrdering() {
      mayOrder = false;
      wakePlacement(undefined);
    },
  };
}
