/**
 * The placement service: receives facts from the bus, and publishes decisions. The policy's core (shared/policy) decides and is
 * pure; this service feeds it with facts, persists its VMs, and wakes it at its deadlines.
 *
 * Several processes share the VMs by partition. Each process knows, of every site, the heartbeat, its own VMs there, and all
 * moves: those that it orders, and those that it receives of the others. Several of them may order more at the same moment than a
 * site has room for or the limits allow; the migrator queues or refuses these.
 */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type EventType, partitionOf, TERMINAL_TYPES } from '#shared/events/index.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { LocationOutcome } from '#shared/policy/decide/outcomes.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import type { PlacementOutput } from '#shared/policy/output.ts';
import type { Placement } from '#shared/policy/placement.ts';
import type { SiteStays } from '#shared/policy/state/forecast.ts';
import { type KeptVm, VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { Outbox } from '../runtime/outbox.ts';
import { PartitionedService } from '../runtime/partitioned-service.ts';
import { writeAutomation } from './automation.ts';
import { keyOf, VM_PREFIX } from './keys.ts';
import { Quarantine } from './quarantine.ts';
import { type PlacementStatus, statusOf } from './status.ts';
import { applyCorrections, BROADCAST_TYPES, newCore, PlacementSteps } from './steps.ts';

const TYPES: readonly EventType[] = [
  'location.reported.v1',
  'session.attached.v1',
  'session.detached.v1',
  'vm.declared.v1',
  'vm.retired.v1',
  'migration.accepted.v1',
  'migration.switched.v1',
  ...TERMINAL_TYPES,
];

/** The running placement service. */
export interface PlacementService {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** True, or the reason why placement decides nothing: its state is not loaded, or the last write failed. */
  ready(): true | string;
  /**
   * Moves a VM on an operator's order.
   * @param orderedBy the operator's name
   * @throws TagalongError VM_UNKNOWN, HELD_ELSEWHERE, SITE_UNKNOWN, MOVE_REFUSED, STORE_RECORD_UNREADABLE, VM_SET_ASIDE
   */
  order(vm: string, to: string, orderedBy?: string): Promise<void>;
  /** Why a VM is where it is. @throws TagalongError VM_UNKNOWN, HELD_ELSEWHERE */
  explain(vm: string): Promise<Explained>;
  /**
   * Pauses automatic moves, or resumes them: here at once, in other processes within seconds. The order is stored.
   * @throws TagalongError STORE_CONFLICT, STORE_RECORD_UNREADABLE
   */
  pause(paused: boolean, orderedBy?: string): Promise<void>;
  /** The stays of users at each site, with the sites before and after: learned from the users of all placements. */
  stays(): SiteStays[];
  /** The sites, and the VMs that this process holds. */
  status(): PlacementStatus;
  /** How many of the VMs that this process holds are in each state; states without a VM are missing. */
  states(): ReadonlyMap<string, number>;
  /** How many of the VMs that this process holds have a home that sends no heartbeats. */
  stranded(): number;
  /** Location events by their outcome, since the start. */
  readonly counts: ReadonlyMap<LocationOutcome, number>;
  /** Events of migrations that were ignored because this VM's policy never ordered them, or ordered them otherwise, since the start. */
  readonly neverOrdered: number;
  /** True while a turn is under way. */
  readonly busy: boolean;
  /** Resolves when none is. */
  idle(): Promise<void>;
}

/** The dependencies of a placement service. */
export interface PlacementOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly config: Config;
  readonly log: Log;
  /** Receives records that cannot be read or written. @default a list of its own */
  readonly setAside?: SetAside;
}

/**
 * Makes a placement service. It does nothing until `start`.
 *
 * It owns the VMs of the partitions that the bus assigns to group `placement`, and receives heartbeats and all moves in group
 * `placement-sites`. It writes `placement/vm/<partition>/<VM>`, `placement/pair/<pair of sites>`, `placement/stays/<partition>` and
 * `placement/automation`.
 * It is ready while the state of its partitions is loaded and the last change was written.
 */
export function createPlacement(options: PlacementOptions): PlacementService {
  const { bus, store, clock, config } = options;
  const { partitions } = config.bus;
  const log = serviceLog(options.log, 'placement');
  const setAside = options.setAside ?? new SetAside({ log, clock });
  const outbox = new Outbox({ store, bus, prefix: VM_PREFIX, kind: VM_RECORD, setAside, clock });
  const quarantine = new Quarantine({
    ...{ bus, clock, setAside, outbox, prefix: VM_PREFIX },
    keyOf: (vm) => keyOf(vm, partitions),
  });
  const core = newCore(config);
  const steps = new PlacementSteps({ store, clock, config, log, setAside, outbox, quarantine, core });
  const service = new PartitionedService({
    ...{ group: 'placement', types: TYPES, broadcastTypes: BROADCAST_TYPES },
    ...{ bus, clock, log, outbox, core, steps },
  });
  const host: Host = { service, steps, quarantine, partitions };
  return {
    start() {
      watchSharedValues(host);
      return service.start();
    },
    async stop() {
      steps.corrections.stop();
      steps.automation.stop();
      await service.stop();
    },
    ready: () => service.ready(),
    order: (vm, to, orderedBy) => order(host, vm, to, orderedBy),
    explain: (vm) => explain(host, vm),
    async pause(paused, by) {
      await writeAutomation(store, { paused, ...(by !== undefined && { by }) });
      await service.work((core) => core.pause(paused, service.nowMs(), by));
      log.info({ paused, by }, 'automatic moves');
    },
    stays: () => service.core.forecast.summary(service.nowMs()),
    status: () => statusOf(service.core, { held: [...service.held], of: partitions }),
    states: () => countStates(service.core),
    stranded: () => [...service.core.vms.values()].filter(({ home }) => home.index < 0).length,
    get counts() {
      return service.core.counts;
    },
    get neverOrdered() {
      return service.core.neverOrdered;
    },
    get busy() {
      return service.busy;
    },
    idle: () => service.idle(),
  };
}

/** The data from which requests are answered. */
interface Host {
  readonly service: PartitionedService<Placement, PlacementOutput, KeptVm>;
  readonly steps: PlacementSteps;
  readonly quarantine: Quarantine;
  readonly partitions: number;
}

/** Corrections and the pause are also written by other processes: each is read again by a timer of its own, in a turn. */
function watchSharedValues({ service, steps: { corrections, automation } }: Host): void {
  corrections.watch(() =>
    service.attempt(async (core) => {
      applyCorrections(core, await corrections.read());
    }),
  );
  automation.watch(() =>
    service.attempt(async (core) => {
      const stored = await automation.read();
      if (stored !== undefined && stored.paused !== core.paused) core.pause(stored.paused, service.nowMs(), stored.by);
    }),
  );
}

async function order(
  { service, quarantine, partitions }: Host,
  vm: string,
  to: string,
  orderedBy: string | undefined,
): Promise<void> {
  await service.work((core) => {
    refuseElsewhere(vm, service.held, partitions);
    quarantine.refuseSetAside(vm);
    core.order(vm, to, service.nowMs(), orderedBy);
  });
  // The decision itself may have been refused by bus or store.
  quarantine.refuseSetAside(vm);
}

function explain({ service, quarantine, partitions }: Host, vm: string): ReturnType<PlacementService['explain']> {
  return service.work((core) => {
    refuseElsewhere(vm, service.held, partitions);
    quarantine.refuseSetAside(vm);
    return core.explain(vm, service.nowMs());
  });
}

function refuseElsewhere(vm: string, held: ReadonlySet<number>, partitions: number): void {
  const partition = partitionOf(vm, partitions);
  if (held.has(partition)) return;
  throw new TagalongError(
    'HELD_ELSEWHERE',
    `another placement process holds partition ${partition}, to which ${vm} belongs; send the request to that process`,
  );
}

function countStates(core: Placement): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { state } of core.vms.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}
