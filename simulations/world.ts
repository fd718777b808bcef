/**
 * Policy, migrator and simulated hypervisor wired together without a bus: facts go straight from one to the other, in
 * the order in which the bus would deliver them. It serves runs that have to be fast or exact.
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
import type { Session, Vm } from '#shared/policy/state/state.ts';

export interface World {
  readonly placement: Placement;
  readonly migrations: Migrations;
  readonly hypervisor: SimulatedHypervisor;
  /** Gives a fact to the cores that it concerns, and carries out all that follows from it at this instant. */
  tell(fact: Fact): void;
  /** The same for a position, without a fact around it. True: it counted. */
  locate(fix: Data<'location.reported.v1'>): boolean;
  /** The hot path: the same for a caller that holds the VM and its session. */
  locateAt(vm: Vm, session: Session, fix: Position): boolean;
  declareSite(site: SiteSpec): void;
  /** VMs are no longer evaluated when time passes, so that no new move is ordered: moves under way come to their end. */
  stopOrdering(): void;
}

export interface WorldOptions {
  readonly config: Config;
  readonly clock: VirtualClock;
  readonly faults?: Faults;
  /** False: decisions come without their candidates. */
  readonly explains?: boolean;
  /** Decides in the place of the policy that the configuration names. */
  readonly policyOverride?: AnyPolicy;
  /** Sees every decision and every migration event, in order. */
  readonly observe?: (fact: Fact) => void;
}

export function createWorld({
  config,
  clock,
  faults,
  explains = true,
  policyOverride,
  observe = () => {},
}: WorldOptions): World {
  const { network, move, limits } = config;
  const policy = { ...config.policy, siteSilentMs: Number.POSITIVE_INFINITY };
  let mayOrder = true;
  const { plausibility } = config.ingest;
  const placement = new Placement({ network, move, policy, limits, plausibility, explains }, policyOverride);
  const migrations = new Migrations(limits);
  const hypervisor = simulatedHypervisor({ clock, model: move, network, ...(faults && { faults }) });
  /** Events are in whole milliseconds. */
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

  /** Passes decisions and migration events on until neither core has another one. */
  function settle(): void {
    for (;;) {
      const { decisions } = placement.drain();
      if (decisions.length === 0 && !migrations.pending) break;
      for (const data of decisions) {
        const fact: Fact = { type: 'placement.decided.v1', data };
        observe(fact);
        migrations.apply(fact, nowMs());
      }
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

  const counted = (outcome: LocationOutcome) => {
    // A quiet position leaves nothing to settle, and nearly all of them are.
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
    locate: (fix) => counted(placement.location(fix, nowMs())),
    locateAt: (vm, session, fix) => counted(placement.locate(vm, session, fix, nowMs())),
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
