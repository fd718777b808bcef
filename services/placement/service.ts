/**
 * The placement service: events from the bus through the policy's core, decisions back to the bus. Everything that
 * decides is in shared/policy; here is only how it is fed, kept and woken.
 *
 * Several processes share the VMs by partition. Of a site each knows the heartbeat, its own VMs there, and all moves: its own,
 * and those that it hears the others order. What several of them order at the same moment beyond a site's room or limits is
 * for the migrator to queue or refuse.
 */
import type { Bus, Delivery } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import {
  type EventType,
  type Explanation,
  envelop,
  partitionOf,
  traceOf,
  traceparentOf,
} from '#shared/events/index.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { LocationOutcome } from '#shared/policy/decide/outcomes.ts';
import { Placement } from '#shared/policy/placement.ts';
import { type KeptVm, keepVm, reviveVm, VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import { type RemoteContext, RemoteMoves } from '#shared/policy/state/remote-moves.ts';
import { RecentMap, RecentSet } from '#shared/recent.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { isUnreadable } from '#shared/store/update.ts';
import { type Change, Outbox } from '../runtime/outbox.ts';
import { stateful } from '../runtime/stateful.ts';
import { AUTOMATION_KEY, AUTOMATION_RECORD, readAutomation, writeAutomation } from './automation.ts';
import { addLessons, type Corrections, loadCorrections } from './corrections.ts';
import { Quarantine } from './quarantine.ts';
import { type PlacementStatus, statusOf } from './status.ts';

const SOURCE = '/tagalong/placement';
const PREFIX = 'placement/vm/';
const TYPES: readonly EventType[] = [
  'location.reported.v1',
  'session.attached.v1',
  'session.detached.v1',
  'vm.declared.v1',
  'vm.retired.v1',
  'migration.accepted.v1',
  'migration.switched.v1',
  'migration.completed.v1',
  'migration.failed.v1',
  'migration.cancelled.v1',
];

/** What others' VMs do on the ways between the sites. */
const OVERHEARD: readonly EventType[] = [
  'placement.decided.v1',
  'migration.completed.v1',
  'migration.failed.v1',
  'migration.cancelled.v1',
];

/** How soon what other processes learned of the ways between sites counts here, at the latest, */
const LESSONS_AGE_MS = 60_000;
/** and as a rule so long after the move was heard of that it was learned from: by then it is on record. */
const LESSON_WRITTEN_MS = 20;
/** How soon, after the next heartbeat of a site, a pause that was said to another process counts here. */
const AUTOMATION_AGE_MS = 5_000;
/** How many VMs' trace contexts are remembered at least. */
const MIN_CONTEXTS = 50_000;
/** How many ended moves are remembered at least: more than can end between two reads of the store. */
const MIN_ENDED_MOVES = 4_096;

export interface PlacementService {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** True, or why nothing is decided at the moment. */
  ready(): true | string;
  /**
   * Moves a VM because an operator says so.
   * @throws TagalongError VM_UNKNOWN, HELD_ELSEWHERE, SITE_UNKNOWN, MOVE_REFUSED, STORE_RECORD_UNREADABLE, VM_SET_ASIDE
   */
  order(vm: string, to: string): Promise<void>;
  /** Why a VM is where it is. @throws TagalongError VM_UNKNOWN, HELD_ELSEWHERE */
  explain(vm: string): Promise<Explanation & { vm: string; home: string }>;
  /**
   * Pauses the moves that only make things better, or lets them go on: here at once, in other processes within seconds. It is
   * kept in the store. @throws TagalongError STORE_CONFLICT
   */
  pause(paused: boolean): Promise<void>;
  /** Of the VMs that are held here. */
  status(): PlacementStatus;
  /** How many VMs that are held here are in each state; of the states that one is in. */
  states(): ReadonlyMap<string, number>;
  /** How many VMs that are held here are at home at a site that nobody speaks for. */
  stranded(): number;
  /** Location events by what became of them, since the start. */
  readonly counts: ReadonlyMap<LocationOutcome, number>;
  /** Events of migrations that were ignored because this VM's policy never ordered them, since the start. */
  readonly neverOrdered: number;
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
  /** Where records go that cannot be read or written. @default a list of its own */
  readonly setAside?: SetAside;
}

export function createPlacement(options: PlacementOptions): PlacementService {
  const { bus, store, clock, config } = options;
  const log = serviceLog(options.log, 'placement');
  const setAside = options.setAside ?? new SetAside({ log, clock });
  // By partition, so that one of them can be read without the others.
  const vms = new Outbox({ store, bus, prefix: PREFIX, kind: VM_RECORD, setAside, clock });
  const { network, policy, limits, hypervisor } = config;
  const move = { ...config.move, postCopy: hypervisor.kind === 'qemu' && hypervisor.postCopy };
  const { partitions } = config.bus;
  const fresh = () => new Placement({ network, move, policy, limits, plausibility: config.ingest.plausibility });
  let core = fresh();
  /** Ended moves by their decisions. */
  const ended = new RecentSet(MIN_ENDED_MOVES);
  let remoteMoves = new RemoteMoves(core.sites, ended);
  let lessonsDueMs = Number.NEGATIVE_INFINITY;
  let lessonAwaited = false;
  let automationReadMs = Number.NEGATIVE_INFINITY;
  const nowMs = () => Math.round(clock.now());
  const learn = (corrections: Corrections, { sites } = core) => {
    for (const [pair, correction] of corrections) sites.restoreCorrection(pair, correction);
  };
  const keyOf = (vm: string) => `${partitionOf(vm, partitions)}/${vm}`;
  const quarantine = new Quarantine({
    ...{ bus, setAside, keyOf: (vm) => PREFIX + keyOf(vm) },
    async restore(vm) {
      const kept = await vms.reload(keyOf(vm));
      if (kept !== undefined) core.restore(reviveVm(kept, core.sites));
    },
    forget: (vm) => core.forget(vm),
    apply: (event) => core.apply(event, nowMs()),
  });
  /** What was said last, as far as that can be read. */
  const readPaused = async () => {
    try {
      const { paused } = await readAutomation(store);
      setAside.release(AUTOMATION_KEY);
      return paused;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      setAside.add(AUTOMATION_RECORD, AUTOMATION_KEY, error);
      return core.paused;
    }
  };
  /** The trace context of each VM's last position, where its sender traces. */
  const contexts = new RecentMap<string>(MIN_CONTEXTS);
  const readLessons = async () => {
    lessonsDueMs = nowMs() + LESSONS_AGE_MS;
    lessonAwaited = false;
    return loadCorrections(store, setAside);
  };
  /** The stored contexts of the VMs that other processes hold. */
  const readRemoteContexts = async (mine: readonly number[]): Promise<RemoteContext[]> => {
    if (mine.length === 0 || mine.length === partitions) return [];
    const remote = (await store.list<unknown>(PREFIX)).flatMap(({ value }) => contextIn(value));
    return remote.filter(({ vm }) => !mine.includes(partitionOf(vm, partitions)));
  };
  const load = async (mine: readonly number[]) => {
    const corrections = await readLessons();
    const paused = await readPaused();
    automationReadMs = nowMs();
    const kept = await vms.load(mine.map((partition) => `${partition}/`));
    const remote = await readRemoteContexts(mine);
    const next = fresh();
    for (const [outcome, n] of core.counts) next.counts.set(outcome, n);
    next.neverOrdered = core.neverOrdered;
    // The sites first: a look at a VM among half of them would say something else.
    for (const fact of core.sites.facts()) next.apply(fact, nowMs());
    learn(corrections, next);
    next.pause(paused, nowMs());
    for (const { value } of kept) next.restore(reviveVm(value, next.sites));
    // Of those that were heard of meanwhile, the ones that have become ours are counted already.
    const heard = [...remoteMoves.moves].filter(({ vm }) => !mine.includes(partitionOf(vm, partitions)));
    remoteMoves = new RemoteMoves(next.sites, ended);
    for (const context of remote) remoteMoves.restore(context);
    for (const move of heard) remoteMoves.add(move);
    core = next;
    core.resume(nowMs());
  };

  const commit = async () => {
    await quarantine.takeUp();
    const { vms: changed, lessons, decisions } = core.drain();
    const events = decisions.map((data) => {
      const causedby = contexts.get(data.vm);
      const traceparent = traceparentOf(traceOf(data.decision, data.atMs));
      const context = { traceparent, ...(causedby !== undefined && { causedby }) };
      return envelop({ type: 'placement.decided.v1', data }, data.decision, SOURCE, context);
    });
    const eventsOf = Map.groupBy(events, ({ partitionkey }) => partitionkey);
    // Before the VMs: a crash in between brings the lessons again, and they are known as repeats.
    if (lessons.length > 0) learn(await addLessons(store, lessons, setAside));
    const refusals = await vms.commit(
      changed.map((vm): Change<KeptVm> => {
        return { key: keyOf(vm.id), value: keepVm(vm, core.sites), events: eventsOf.get(vm.id) ?? [] };
      }),
    );
    for (const { key, error } of refusals) quarantine.refuse(key.slice(key.indexOf('/') + 1), error);
    await quarantine.sayLetters();
    for (const { vm, verdict, from, to, reason, source, decision } of decisions) {
      if (quarantine.holds(vm)) continue;
      log.info({ vm, verdict, from, to, reason, source, decision }, 'decided');
    }
    if (nowMs() >= lessonsDueMs) learn(await readLessons());
    if (nowMs() >= automationReadMs + AUTOMATION_AGE_MS) {
      automationReadMs = nowMs();
      const paused = await readPaused();
      // In a turn of its own: what follows from it has to be written too.
      if (paused !== core.paused) void service.work(() => core.pause(paused, nowMs())).catch(ignoreUntilNext);
    }
  };
  /** It is read again, and a failure to write is said where the next change is not written. */
  const ignoreUntilNext = () => {
    automationReadMs = Number.NEGATIVE_INFINITY;
  };
  const overhear = (batch: readonly Delivery[]) => {
    const atMs = nowMs();
    for (const { event } of batch) {
      if (event.type === 'site.reported.v1' || event.type === 'site.removed.v1') core.apply(event, atMs);
      else if (!core.vms.has(event.data.vm) && remoteMoves.onEvent(event)) {
        lessonsDueMs = Math.min(lessonsDueMs, atMs + LESSON_WRITTEN_MS);
        lessonAwaited = true;
      }
    }
  };

  const service = stateful({
    ...{ group: 'placement', types: TYPES, bus, clock, log, load, commit },
    overhears: { types: OVERHEARD, apply: overhear },
    apply(batch) {
      const atMs = nowMs();
      quarantine.begin(batch);
      for (const { event } of batch) {
        if (!quarantine.keeps(event, atMs)) core.apply(event, atMs);
        if (event.traceparent !== undefined && event.type === 'location.reported.v1')
          contexts.set(event.data.vm, event.traceparent);
      }
    },
    nextWakeMs: () => (lessonAwaited ? Math.min(lessonsDueMs, core.nextWakeMs() ?? lessonsDueMs) : core.nextWakeMs()),
    advance: () => core.advance(nowMs()),
  });

  const refuseElsewhere = (vm: string) => {
    const partition = partitionOf(vm, partitions);
    if (service.held.has(partition)) return;
    throw new TagalongError(
      'HELD_ELSEWHERE',
      `${vm} is on partition ${partition}, which another placement holds: ask there`,
    );
  };

  return {
    start: service.start,
    stop: service.stop,
    ready: service.ready,
    async order(vm, to) {
      await service.work(() => {
        refuseElsewhere(vm);
        quarantine.refuseOrders(vm);
        core.order(vm, to, nowMs());
      });
      // The decision itself may have been one that nobody takes.
      quarantine.refuseOrders(vm);
    },
    explain: (vm) =>
      service.work(() => {
        refuseElsewhere(vm);
        quarantine.refuseOrders(vm);
        return core.explain(vm, nowMs());
      }),
    async pause(paused) {
      await writeAutomation(store, { paused });
      await service.work(() => core.pause(paused, nowMs()));
      log.info({ paused }, 'automatic moves');
    },
    status: () => statusOf(core, { held: [...service.held], of: partitions }),
    states() {
      const counts = new Map<string, number>();
      for (const { state } of core.vms.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
      return counts;
    },
    stranded: () => [...core.vms.values()].filter(({ home }) => home.index < 0).length,
    get counts() {
      return core.counts;
    },
    get neverOrdered() {
      return core.neverOrdered;
    },
    get busy() {
      return service.busy;
    },
    idle: service.idle,
  };
}

/** The context in another process's record; nothing where the record cannot be read: its holder reports that. */
function contextIn(stored: unknown): RemoteContext[] {
  const { v = 0, value } = (stored ?? {}) as { v?: unknown; value?: unknown };
  try {
    const { mind, retired } = VM_RECORD.upgrade(v, value);
    return retired ? [] : [mind];
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return [];
  }
}
