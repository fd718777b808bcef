/**
 * The placement service: events from the bus through the policy's core, decisions back to the bus. Everything that
 * decides is in shared/policy; here is only how it is fed, kept and woken.
 */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { type EventType, type Explanation, envelop } from '#shared/events/index.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { type LocationOutcome, Placement } from '#shared/policy/placement.ts';
import type { Correction } from '#shared/policy/sites.ts';
import { type KeptVm, keepVm, reviveVm } from '#shared/policy/vm.ts';
import type { Store } from '#shared/store/store.ts';
import { type Change, Ledger } from '../ledger.ts';
import { stateful } from '../stateful.ts';
import { type PlacementStatus, statusOf } from './status.ts';

const SOURCE = '/tagalong/placement';
const TYPES: readonly EventType[] = [
  'location.reported.v1',
  'session.attached.v1',
  'session.detached.v1',
  'vm.declared.v1',
  'vm.retired.v1',
  'migration.switched.v1',
  'migration.completed.v1',
  'migration.failed.v1',
  'migration.cancelled.v1',
];

export interface PlacementService {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** True, or why nothing is decided at the moment. */
  ready(): true | string;
  /** Moves a VM because an operator says so. @throws TagalongError VM_UNKNOWN, SITE_UNKNOWN, MOVE_REFUSED */
  order(vm: string, to: string): Promise<void>;
  /** Why a VM is where it is. @throws TagalongError VM_UNKNOWN */
  explain(vm: string): Promise<Explanation & { vm: string; home: string }>;
  status(): PlacementStatus;
  /** Location events by what became of them, since the start. */
  readonly counts: ReadonlyMap<LocationOutcome, number>;
  /** True while something is being worked on. */
  readonly busy: boolean;
  /** Resolves when nothing is. */
  idle(): Promise<void>;
}

export interface PlacementOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly config: Config;
  readonly log: Log;
}

export function createPlacement({ bus, store, clock, config, log: parent }: PlacementOptions): PlacementService {
  const log = serviceLog(parent, 'placement');
  const vms = new Ledger(store, bus, 'placement/vm/');
  const pairs = new Ledger(store, bus, 'placement/pair/');
  const { network, policy, limits, hypervisor } = config;
  const move = { ...config.move, postCopy: hypervisor.kind === 'qemu' && hypervisor.postCopy };
  const fresh = () => new Placement({ network, move, policy, limits, plausibility: config.ingest.plausibility });
  let core = fresh();
  const nowMs = () => Math.round(clock.now());
  const load = async () => {
    const corrections = await pairs.load<Correction>();
    const kept = await vms.load<KeptVm>();
    const next = fresh();
    for (const [outcome, n] of core.counts) next.counts.set(outcome, n);
    // The sites first: a look at a VM among half of them would say something else.
    for (const data of core.sites.reports()) next.sites.report(data);
    for (const { key, value } of corrections) next.sites.restoreCorrection(key, value);
    for (const { value } of kept) next.restore(reviveVm(value, next.sites.named(value.home)));
    core = next;
    core.resume(nowMs());
  };

  const commit = async () => {
    const { vms: changed, corrections } = core.takeChanges();
    const decisions = core.takeDecisions();
    const events = decisions.map((data) => envelop({ type: 'placement.decided.v1', data }, data.decision, SOURCE));
    const eventsOf = Map.groupBy(events, ({ partitionkey }) => partitionkey);
    await pairs.commit([...corrections].map(([key, value]): Change => ({ key, value, events: [] })));
    await vms.commit(
      changed.map((vm): Change => ({ key: vm.id, value: keepVm(vm), events: eventsOf.get(vm.id) ?? [] })),
    );
    for (const { vm, verdict, from, to, reason, source, decision } of decisions) {
      log.info({ vm, verdict, from, to, reason, source, decision }, 'decided');
    }
  };

  const service = stateful({
    ...{ group: 'placement', types: TYPES, bus, clock, log, load, commit },
    apply(batch) {
      const atMs = nowMs();
      for (const { event } of batch) core.apply(event, atMs);
    },
    nextWakeMs: () => core.nextWakeMs(),
    advance: () => core.advance(nowMs()),
  });

  return {
    start: service.start,
    stop: service.stop,
    ready: service.ready,
    order: (vm, to) => service.work(() => core.order(vm, to, nowMs())),
    explain: (vm) => service.work(() => core.explain(vm, nowMs())),
    status: () => statusOf(core),
    get counts() {
      return core.counts;
    },
    get busy() {
      return service.busy;
    },
    idle: service.idle,
  };
}
