/** The steps of placement in the loop of a partitioned service: load VMs, persist the core's output, publish decisions. */
import type { Delivery } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { realClock } from '#shared/clock/real.ts';
import type { Config } from '#shared/config/schema.ts';
import {
  type Data,
  type Event,
  type EventType,
  envelop,
  partitionOf,
  TERMINAL_TYPES,
  traceOf,
  traceparentOf,
} from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { type RepeatedFault, repeatedFault } from '#shared/log-repeats.ts';
import type { EndFact } from '#shared/migration/outcome.ts';
import type { PlacementOutput } from '#shared/policy/output.ts';
import { Placement } from '#shared/policy/placement.ts';
import type { Forecast } from '#shared/policy/state/forecast.ts';
import { type KeptVm, keepVm, reviveVm, VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import { type RemoteContext, RemoteMoves } from '#shared/policy/state/remote-moves.ts';
import { RecentMap } from '#shared/recent.ts';
import { valueBesideOutbox } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { isUnreadable } from '#shared/store/update.ts';
import { judgeDecision, OVERTAKEN, readOrder } from '../runtime/decision-proof.ts';
import type { Outbox } from '../runtime/outbox.ts';
import { readQuota } from '../runtime/read-quota.ts';
import { SharedValue } from '../runtime/shared-value.ts';
import type { Assignment, Changes, Steps, Written } from '../runtime/steps.ts';
import { type Automation, loadAutomation } from './automation.ts';
import { addLessons, type Corrections, loadCorrections } from './corrections.ts';
import { keyOf, VM_PREFIX } from './keys.ts';
import { MoveProof } from './move-proof.ts';
import type { Quarantine } from './quarantine.ts';
import { addStays, loadForecast } from './stays.ts';

/** The events of all VMs, from which each placement knows the moves that the others order, how far all have come, and how long users stay. */
export const BROADCAST_TYPES: readonly EventType[] = [
  'placement.decided.v1',
  'stays.counted.v1',
  'user.erased.v1',
  'migration.progressed.v1',
  'migration.switched.v1',
  ...TERMINAL_TYPES,
];

/** Of the broadcasts those that the core applies, whichever process holds the VM. */
const TO_CORE: ReadonlySet<EventType> = new Set([
  'site.reported.v1',
  'site.removed.v1',
  'stays.counted.v1',
  'user.erased.v1',
  'migration.progressed.v1',
] as const);

const SOURCE = '/tagalong/placement';
/** Corrections written by other processes are read at least this often. */
const CORRECTIONS_AGE_MS = 60_000;
/** After another process's move has ended, its correction has been written within this time. */
const CORRECTION_WRITTEN_MS = 20;
/** A pause that an operator ordered at another process counts here within this time. */
const AUTOMATION_AGE_MS = 5_000;
/** How many VMs' trace contexts are remembered at least. */
const MIN_CONTEXTS = 50_000;
/** How many ended moves are remembered at least: more than can end between two reads of the store. */
const MIN_ENDED_MOVES = 4_096;

/** The record of a decision cannot be read. */
const UNKNOWN = Symbol('unknown');

/** A core that knows no site and no VM. */
export function newCore({ network, move, policy, limits, hypervisor, ingest }: Config, forecast?: Forecast): Placement {
  const postCopy = hypervisor.kind === 'qemu' && hypervisor.postCopy;
  const settings = { network, move: { ...move, postCopy }, policy, limits, plausibility: ingest.plausibility };
  return new Placement(settings, undefined, forecast);
}

/** Writes the corrections of pairs of sites into a core. */
export function applyCorrections({ sites }: Placement, corrections: Corrections): void {
  for (const [pair, correction] of corrections) sites.restoreCorrection(pair, correction);
}

/** The dependencies of the steps. */
export interface PlacementStepsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly config: Config;
  readonly log: Log;
  readonly setAside: SetAside;
  /** The records of VMs, under {@link VM_PREFIX}. */
  readonly outbox: Outbox<KeptVm>;
  readonly quarantine: Quarantine;
  /** The core in use until the first load. */
  readonly core: Placement;
}

/** The steps of placement. They write VM records and, before these, the corrections that completed moves taught. */
export class PlacementSteps implements Steps<Placement, PlacementOutput, KeptVm> {
  /** The corrections of the paths between sites that all processes have learned from moves. */
  readonly corrections: SharedValue<Corrections>;
  /** The last order about automatic moves; undefined: the record cannot be read. */
  readonly automation: SharedValue<Automation | undefined>;
  readonly #options: PlacementStepsOptions;
  /** The trace context of each VM's last position, where its sender traces. */
  readonly #contexts = new RecentMap<string>(MIN_CONTEXTS);
  /** The facts that ended moves, by their decisions. */
  readonly #ended = new RecentMap<EndFact>(MIN_ENDED_MOVES);
  readonly #proof: MoveProof;
  readonly #quota = readQuota(realClock());
  readonly #unknown: RepeatedFault;
  #mine: readonly number[] = [];
  #remoteMoves: RemoteMoves;

  constructor(options: PlacementStepsOptions) {
    const { store, clock, setAside, core } = options;
    this.#options = options;
    this.#proof = new MoveProof(options);
    this.#unknown = repeatedFault(options.log, 'decisions of other placements are ignored', 'warn');
    this.#remoteMoves = new RemoteMoves(core.traffic, this.#ended);
    this.corrections = new SharedValue({
      ...{ clock, maxAgeMs: CORRECTIONS_AGE_MS },
      read: () => loadCorrections(store, setAside),
    });
    this.automation = new SharedValue({
      ...{ clock, maxAgeMs: AUTOMATION_AGE_MS },
      read: () => loadAutomation(store, setAside),
    });
  }

  /** Reads the VMs of the assigned partitions, and of all other VMs the moves under way. */
  async load({ partitions: mine, isNew }: Assignment): Promise<(present: Placement) => Placement> {
    const corrections = await this.corrections.read();
    const automation = await this.automation.read();
    const kept = await this.#options.outbox.load(mine.map((partition) => `${partition}/`));
    const remote = await this.#readRemoteContexts(mine);
    const forecast = await loadForecast(this.#options.store, this.#options.setAside);
    return (present) => {
      this.#mine = mine;
      const nowMs = Math.round(this.#options.clock.now());
      // Batches that other placements published meanwhile.
      forecast.takeWaiting(present.forecast);
      const core = newCore(this.#options.config, forecast);
      for (const [outcome, n] of present.counts) core.counts.set(outcome, n);
      core.neverOrdered = present.neverOrdered;
      // The sites first: an evaluation needs all of them.
      for (const fact of present.sites.facts()) core.apply(fact, nowMs);
      applyCorrections(core, corrections);
      const { paused, by } = automation ?? { paused: present.paused, by: present.pausedBy };
      core.pause(paused, nowMs, by);
      if (isNew) this.#sayAway(kept, nowMs);
      for (const { value } of kept) core.restore(reviveVm(value, core.sites));
      this.#restoreRemoteMoves(core, remote, mine);
      core.resume(nowMs);
      return core;
    };
  }

  /** Logs that positions are gone which nobody has handled, because no placement held these VMs for longer than the bus keeps them. */
  #sayAway(kept: readonly { readonly value: KeptVm }[], nowMs: number): void {
    const lastMs = kept.reduce((most, { value }) => Math.max(most, value.nowMs), Number.NEGATIVE_INFINITY);
    const awayMs = nowMs - lastMs;
    const { locationRetentionMs } = this.#options.config.bus;
    if (!Number.isFinite(awayMs) || awayMs <= locationRetentionMs) return;
    const next = 'VMs are decided about again when their users report';
    this.#options.log.warn(
      { awayMs, locationRetentionMs, next },
      'nobody handled positions for longer than the bus keeps them',
    );
  }

  /** The stored contexts of the VMs that other processes hold. */
  async #readRemoteContexts(mine: readonly number[]): Promise<RemoteContext[]> {
    const { store, config } = this.#options;
    if (mine.length === 0 || mine.length === config.bus.partitions) return [];
    const remote = (await store.list<unknown>(VM_PREFIX)).flatMap(({ value }) => contextIn(value));
    return remote.filter(({ vm }) => !this.#isIn(mine, vm));
  }

  #restoreRemoteMoves(core: Placement, contexts: readonly RemoteContext[], mine: readonly number[]): void {
    // A move of a VM that this process holds now is in the VM's own record.
    const known = [...this.#remoteMoves.moves].filter(({ vm }) => !this.#isIn(mine, vm));
    this.#remoteMoves = new RemoteMoves(core.traffic, this.#ended);
    for (const context of contexts) this.#remoteMoves.restore(context);
    for (const move of known) this.#remoteMoves.add(move);
  }

  #isIn(partitions: readonly number[], vm: string): boolean {
    return partitions.includes(partitionOf(vm, this.#options.config.bus.partitions));
  }

  admit(batch: readonly Delivery[], core: Placement): readonly Delivery[] | Promise<readonly Delivery[]> {
    for (const { event } of batch) {
      if (event.traceparent === undefined || event.type !== 'location.reported.v1') continue;
      this.#contexts.set(event.data.vm, event.traceparent);
    }
    const admitted = this.#options.quarantine.admit(batch, core);
    if (!(admitted instanceof Promise)) return this.#proof.admit(admitted, core);
    return admitted.then((some) => this.#proof.admit(some, core));
  }

  /** Decisions of other placements only if they made them: made-up moves would take up limits and slots of sites. */
  admitBroadcasts(batch: readonly Delivery[], core: Placement): readonly Delivery[] | Promise<readonly Delivery[]> {
    const orders = batch.filter(({ event }) => isRemoteOrder(event, core));
    if (orders.length === 0) return batch;
    return Promise.all(orders.map((order) => this.#isMade(order, core))).then((made) => {
      const refused = new Set(orders.filter((_, i) => !made[i]));
      return batch.filter((delivery) => !refused.has(delivery));
    });
  }

  /**
   * A decision that cannot be looked up does not count: the migrator judges the limits over all moves. It must not hold up the batch,
   * which also has heartbeats.
   */
  async #isMade({ event }: Delivery, core: Placement): Promise<boolean> {
    const { vm, decision } = event.data as Data<'placement.decided.v1'>;
    const { store, config, log } = this.#options;
    // Nobody else decides about the VMs of these partitions.
    if (this.#isIn(this.#mine, vm) || !this.#quota.isLeft()) return false;
    const { partitions } = config.bus;
    const kept = await readOrder(store, vm, partitions).catch((error: unknown): typeof UNKNOWN => {
      this.#unknown.failed(error, { vm });
      return UNKNOWN;
    });
    if (kept === UNKNOWN) return false;
    const judgement = judgeDecision(event.data as Data<'placement.decided.v1'>, kept);
    if (judgement === undefined || judgement === OVERTAKEN) return judgement === undefined;
    this.#quota.spend();
    core.neverOrdered++;
    log.debug({ vm, decision, why: judgement }, 'a decision of another placement is ignored');
    return false;
  }

  onBroadcast(event: Event, core: Placement, nowMs: number): void {
    if (TO_CORE.has(event.type)) core.apply(event, nowMs);
    else if ('vm' in event.data && !core.vms.has(event.data.vm) && this.#remoteMoves.onEvent(event, nowMs)) {
      this.corrections.expireBy(nowMs + CORRECTION_WRITTEN_MS);
    }
  }

  async toChanges({ vms, lessons, stays, decisions }: PlacementOutput, core: Placement): Promise<Changes<KeptVm>> {
    if (lessons.length > 0) {
      // Before the VMs: a crash in between brings the lessons again, and repeats are recognized.
      applyCorrections(core, await addLessons(this.#options.store, lessons, this.#options.setAside));
    }
    // Before the VMs, too: until a VM has another stay, its record has the last ones.
    const { partitions } = this.#options.config.bus;
    const counted =
      stays.length === 0 ? [] : await addStays(this.#options.store, stays, partitions, this.#options.setAside);
    const events = decisions.map((data) => {
      const causedby = this.#contexts.get(data.vm);
      const traceparent = traceparentOf(traceOf(data.decision, data.atMs));
      const context = { traceparent, ...(causedby !== undefined && { causedby }) };
      return envelop({ type: 'placement.decided.v1', data }, data.decision, SOURCE, context);
    });
    const eventsOf = Map.groupBy(events, ({ partitionkey }) => partitionkey);
    const records = vms.map((vm) => ({
      key: keyOf(vm.id, partitions),
      value: keepVm(vm, core.sites),
      events: eventsOf.get(vm.id) ?? [],
    }));
    return { records, events: counted };
  }

  async onWritten({ output, refusals }: Written<PlacementOutput, KeptVm>, core: Placement): Promise<void> {
    const { quarantine, log } = this.#options;
    for (const { key, error } of refusals) quarantine.refuse(key.slice(key.indexOf('/') + 1), error, core);
    await quarantine.publishDeadLetters();
    for (const { vm, verdict, from, to, reason, source, decision } of output.decisions) {
      if (quarantine.holds(vm)) continue;
      log.info({ vm, verdict, from, to, reason, source, decision }, 'decided');
    }
  }
}

/** True for the decision to move a VM that another process holds. */
function isRemoteOrder({ type, data }: Event, core: Placement): boolean {
  return type === 'placement.decided.v1' && data.verdict === 'move' && !core.vms.has(data.vm);
}

/** The context in another process's record; nothing where the record cannot be read: its holder reports that. */
function contextIn(stored: unknown): RemoteContext[] {
  try {
    const { mind, retired, spec } = valueBesideOutbox(VM_RECORD, stored);
    return retired ? [] : [{ ...mind, spec }];
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return [];
  }
}
