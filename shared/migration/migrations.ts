/**
 * The migrator's core. It takes decisions and reports of the hypervisor, and returns orders for the hypervisor and events. It is
 * pure, like the policy's core. A VM has one migration at a time. Migrations respect the limits of sites and paths. Each accepted
 * decision ends in exactly one terminal event.
 */
import type { LimitsConfig } from '../config/schema.ts';
import type { Core } from '../core.ts';
import { type FailureCode, TagalongError } from '../errors.ts';
import { type Data, type Fact, PHASES } from '../events/index.ts';
import type { Measured, Move, Report } from '../hypervisor/hypervisor.ts';
import { NOTHING_MEASURED } from '../model/measured.ts';
import { type Stepper, stepper } from '../state-machine/stepper.ts';
import { Agenda } from '../time/agenda.ts';
import { Admission } from './admission.ts';
import { type Migration, type MigrationEvent, type MigrationState, TERMINAL } from './context.ts';
import { ClientGaps } from './gaps.ts';
import { type MigrationAction, type MigrationMachine, migrationMachine } from './machine.ts';
import { newMigration, seqOfCancelled, truncated, withoutOversized } from './migration.ts';
import { Occupancy } from './occupancy.ts';
import type { KeptRecord, MigrationEntry, MigrationsOutput, Order } from './output.ts';
import { limitsOf, plausible } from './plausible.ts';
import { SiteReports } from './site-reports.ts';
import { type OutgoingEvent, toEvent, toProgress } from './to-event.ts';

/** Owns the migrations of all VMs, the queue, and the limits of sites and paths. Not reentrant; times are ms since the epoch. */
export class Migrations implements Core<MigrationsOutput> {
  readonly #step: Stepper<MigrationMachine>;
  readonly #limits: LimitsConfig;
  readonly #admission: Admission;
  readonly #byVm = new Map<string, MigrationEntry>();
  /** Under way or queued, by migration id. */
  readonly #live = new Map<string, MigrationEntry>();
  readonly #queue: MigrationEntry[] = [];
  readonly #agenda = new Agenda<MigrationEntry>();
  readonly #occupancy = new Occupancy();
  readonly #gaps = new ClientGaps();
  readonly #sites = new SiteReports();
  /** VMs whose record cannot be read, with code and reason. */
  readonly #unreadable = new Map<string, { readonly code: string; readonly reason: string }>();
  #events: OutgoingEvent[] = [];
  #orders: Order[] = [];
  #changed: MigrationEntry[] = [];

  constructor(limits: LimitsConfig) {
    this.#limits = limits;
    this.#admission = new Admission(limits);
    this.#step = stepper(migrationMachine(limits), 'whole contexts');
  }

  /** Migrations that have not ended. */
  get live(): ReadonlyMap<string, MigrationEntry> {
    return this.#live;
  }

  /** Number of the last decision on a VM that was seen; 0: none. */
  seqOf(vm: string): number {
    return this.#byVm.get(vm)?.migration.seq ?? 0;
  }

  nextWakeMs(): number | undefined {
    return this.#agenda.nextMs();
  }

  /**
   * Applies a fact that concerns migrations; any other changes nothing.
   * @param nowMs the clock. A decision may be old when it arrives, but its migration begins now. @default the time of the fact
   */
  apply(fact: Fact, nowMs = fact.data.atMs): void {
    if (fact.type === 'site.reported.v1' && this.#sites.report(fact.data)) this.#occupancy.report(fact.data);
    if (fact.type === 'site.removed.v1') this.#sites.remove(fact.data);
    if (fact.type === 'vm.retired.v1') this.#occupancy.removed(fact.data.vm);
    if (fact.type === 'placement.decided.v1') {
      // Placement always publishes the VM's spec. A forged move without one could not be recorded, and changes nothing.
      if (fact.data.verdict === 'move' && fact.data.spec !== undefined) this.#accept(fact.data, nowMs);
      if (fact.data.verdict === 'cancel' && fact.data.cancels) this.#cancel(fact.data, nowMs);
    }
    if (fact.type === 'interruption.reported.v1') this.#interrupted(fact.data, nowMs);
  }

  /** Applies a report of the hypervisor. A report about a migration that has ended changes nothing. */
  report(given: Report, atMs: number): void {
    const record = this.#live.get(given.id);
    if (record === undefined) return;
    const { from, to } = record.migration;
    const limits = limitsOf(record.migration, atMs, this.#sites.paths(from, to).rateBps);
    const measured = plausible(given.measured, limits);
    const report = measured === given.measured ? given : { ...given, measured };
    switch (report.kind) {
      case 'done':
        this.#send(record, { type: 'done', atMs, step: report.step, measured });
        return;
      case 'failed':
        this.#send(record, { ...report, type: 'stepFailed', atMs });
        return;
      case 'aborted':
        this.#send(record, { type: 'aborted', atMs, measured });
        return;
      case 'inspected':
        this.#send(record, { ...report, type: 'inspected', atMs });
        return;
      case 'progress':
        this.#progress(record, measured, atMs);
        this.#events.push(toProgress(record.migration, report, atMs));
    }
  }

  /** Advances the time: sends `overdue` to each migration whose deadline has come, in order. */
  advance(nowMs: number): void {
    for (let record = this.#agenda.take(nowMs); record !== undefined; record = this.#agenda.take(nowMs)) {
      const atMs = record.wakeAtMs;
      this.#agenda.set(record, Number.POSITIVE_INFINITY);
      this.#send(record, { type: 'overdue', atMs });
    }
  }

  /**
   * Cancels a migration for an operator.
   * @param name of the migration, or of the VM that moves
   * @param operator the name of the operator
   * @returns the migration's id
   * @throws TagalongError MIGRATION_UNKNOWN, or MIGRATION_PAST_CANCEL from the switch-over on
   */
  cancel(name: string, by: string, atMs: number, operator?: string): string {
    const record = this.#live.get(name) ?? this.#byVm.get(name);
    const id = record?.migration.id;
    if (record === undefined || id === undefined || !this.#live.has(id)) {
      throw new TagalongError(
        'MIGRATION_UNKNOWN',
        `no migration "${name}" is under way, and no VM of that name moves; "tagalong status" lists the moves`,
      );
    }
    if (record.migration.phase === 'switch' || record.migration.phase === 'release') {
      throw new TagalongError(
        'MIGRATION_PAST_CANCEL',
        `${id} is switching over and can no longer be cancelled; wait until it ends`,
      );
    }
    this.#send(record, { type: 'cancel', atMs, by, ...(operator !== undefined && { name: operator }) });
    return id;
  }

  /** A new core with the same sites and no migration. */
  withoutMigrations(): Migrations {
    const other = new Migrations(this.#limits);
    for (const fact of this.#sites.facts()) other.apply(fact);
    return other;
  }

  /** Notes that a VM's record cannot be read: decisions on it fail with this code and reason. */
  setAside(vm: string, code: string, reason: string): void {
    this.#unreadable.set(vm, { code, reason });
  }

  /**
   * The record of a VM, or events about its migration, were refused. The migration goes on without the refused figures and texts,
   * and is undone where it can be. `drain` has the new record and events.
   */
  refused(vm: string, code: string, reason: string, events: readonly string[], atMs: number): void {
    const record = this.#byVm.get(vm)!;
    record.migration = withoutOversized(record.migration);
    this.#markChanged(record);
    const { state, migration } = record;
    for (const what of ['started', 'switched', 'completed', 'failed', 'cancelled'] as const) {
      if (events.includes(`migration.${what}.v1`))
        this.#events.push(toEvent(migration, what, migration.endedAtMs ?? atMs));
    }
    const step = state === 'queued' ? 'prepare' : PHASES.find((phase) => phase === state);
    if (step === undefined) return;
    this.#send(record, { type: 'stepFailed', atMs, step, code, reason: truncated(reason), measured: NOTHING_MEASURED });
  }

  /** Restores a stored record, before any fact. Call `resume` after the last one. */
  restore({ state, migration }: KeptRecord): void {
    const record: MigrationEntry = {
      vm: migration.vm,
      state,
      migration,
      wakeAtMs: Number.POSITIVE_INFINITY,
      changed: false,
    };
    this.#byVm.set(record.vm, record);
    const { from, to, endedAtMs } = migration;
    if (endedAtMs !== null && migration.switched) this.#occupancy.moved(record.vm, from, to, endedAtMs);
    if (TERMINAL.includes(state)) return;
    this.#occupancy.expect(record.vm, to, true);
    this.#live.set(migration.id, record);
    if (state === 'queued') this.#queue.push(record);
    else this.#admission.count(migration, 1);
    this.#agenda.set(record, migration.deadlineMs ?? Number.POSITIVE_INFINITY);
  }

  /** After a restart: inspects each migration under way before any further step. */
  resume(atMs: number): void {
    this.#queue.sort((a, b) => a.migration.acceptedAtMs - b.migration.acceptedAtMs);
    for (const record of [...this.#live.values()]) this.#send(record, { type: 'restarted', atMs });
    this.#admit(atMs);
  }

  /** True if `drain` has output. */
  get pending(): boolean {
    return this.#changed.length > 0 || this.#events.length > 0 || this.#orders.length > 0;
  }

  /** The output since the last call: records to write, and then events to publish and orders to give. */
  drain(): MigrationsOutput {
    const output = { records: this.#changed, events: this.#events, orders: this.#orders };
    for (const record of this.#changed) record.changed = false;
    this.#changed = [];
    this.#events = [];
    this.#orders = [];
    return output;
  }

  #accept(decided: Data<'placement.decided.v1'>, nowMs: number): void {
    const last = this.#byVm.get(decided.vm);
    // A repeat: the migration was accepted before and ends, or has ended, in its one terminal event.
    if (last !== undefined && decided.seq <= last.migration.seq) return;
    const paths = this.#sites.paths(decided.from, decided.to).ids;
    const migration = newMigration(decided, paths);
    const unreadable = this.#unreadable.get(decided.vm);
    if (unreadable !== undefined) {
      // The migration may have been carried out already.
      this.#events.push(toEvent({ ...migration, undo: unreadable }, 'failed', decided.atMs));
      return;
    }
    if (last !== undefined && !TERMINAL.includes(last.state)) {
      this.#rejectBusy(migration, last, decided.atMs);
      return;
    }
    const undo = this.#rejectionOf(decided);
    if (undo !== undefined) {
      this.#reject({ ...migration, undo }, decided.atMs);
      return;
    }
    const record = this.#record('queued', { ...migration, deadlineMs: decided.atMs + this.#limits.queueMs });
    this.#occupancy.expect(record.vm, decided.to, true);
    this.#live.set(migration.id, record);
    this.#agenda.set(record, record.migration.deadlineMs!);
    this.#queue.push(record);
    this.#events.push(toEvent(migration, 'accepted', decided.atMs));
    this.#admit(Math.max(decided.atMs, nowMs));
  }

  /**
   * Why a decision is rejected; undefined: it is accepted. Several placements can send VMs to one site at once, each knowing only
   * its own: a decision that would exceed the destination's slots is rejected, as is one that names a removed site.
   */
  #rejectionOf({ from, to }: Data<'placement.decided.v1'>): { code: FailureCode; reason: string } | undefined {
    for (const site of [from, to]) {
      if (this.#sites.isRemoved(site))
        return { code: 'SITE_UNKNOWN', reason: `the site ${site} was removed; declare it again, or choose another` };
    }
    if (!this.#occupancy.isFull(to)) return undefined;
    return { code: 'SITE_FULL', reason: `every slot of ${to} has a VM or is reserved for one that moves there` };
  }

  /** Stores a rejected decision as failed, so that a redelivery is not executed later when the reason is gone. */
  #reject(migration: Migration, atMs: number): void {
    const failed: Migration = { ...migration, endedAtMs: atMs };
    this.#record('failed', failed);
    this.#events.push(toEvent(failed, 'failed', atMs));
  }

  /** Makes the VM's new entry. */
  #record(state: MigrationState, migration: Migration): MigrationEntry {
    const record = { vm: migration.vm, state, migration, wakeAtMs: Number.POSITIVE_INFINITY, changed: false };
    this.#byVm.set(record.vm, record);
    this.#markChanged(record);
    return record;
  }

  /** Rejects a decision while another migration of the VM is under way, and publishes its failure at once. */
  #rejectBusy(migration: Migration, busy: MigrationEntry, atMs: number): void {
    const undo = { code: 'VM_BUSY', reason: `${migration.vm} is already in the move ${busy.migration.id}` };
    this.#events.push(toEvent({ ...migration, undo, runsAt: busy.migration.runsAt }, 'failed', atMs));
    this.#raiseSeq(busy, migration.seq);
  }

  /** Stores the number of a rejected decision, so that a redelivery is not executed later when the VM is free. */
  #raiseSeq(busy: MigrationEntry, seq: number): void {
    busy.migration = { ...busy.migration, seq };
    this.#markChanged(busy);
  }

  #cancel(decided: Data<'placement.decided.v1'>, nowMs: number): void {
    const { vm, cancels, atMs, reason } = decided;
    const record = this.#byVm.get(vm);
    const by = `policy: ${reason}`;
    if (record?.migration.id === cancels) {
      this.#send(record!, { type: 'cancel', atMs: Math.max(atMs, nowMs), by });
      return;
    }
    // Placement waits for the end of its order, so an order that never arrived or was rejected also gets a terminal event.
    const seq = seqOfCancelled(decided);
    if (seq === undefined || decided.spec === undefined || seq <= (record?.migration.seq ?? 0)) return;
    const never = { ...newMigration({ ...decided, decision: cancels!, seq }, []), endedAtMs: atMs, undo: { by } };
    if (record === undefined || TERMINAL.includes(record.state)) this.#record('cancelled', never);
    else this.#raiseSeq(record, seq);
    this.#events.push(toEvent(never, 'cancelled', atMs));
  }

  /** Applies a client's report of a gap. A report after the end changes nothing: the terminal event is already published. */
  #interrupted(report: Data<'interruption.reported.v1'>, nowMs: number): void {
    const record = this.#byVm.get(report.vm);
    if (record === undefined || TERMINAL.includes(record.state)) return;
    const clientGapMs = this.#gaps.note(record.migration, report, nowMs);
    if (clientGapMs === record.migration.clientGapMs) return;
    record.migration = { ...record.migration, clientGapMs };
    this.#markChanged(record);
  }

  /** Starts the migrations that the limits allow, in order. One that has to wait does not hold up those behind it. */
  #admit(atMs: number): void {
    for (const record of [...this.#queue]) {
      if (record.state !== 'queued' || !this.#admission.allows(record.migration)) continue;
      this.#admission.count(record.migration, 1);
      this.#queue.splice(this.#queue.indexOf(record), 1);
      this.#send(record, { type: 'admitted', atMs });
    }
  }

  #send(record: MigrationEntry, event: MigrationEvent): void {
    if (TERMINAL.includes(record.state)) return;
    const before = record.state;
    const { switched } = record.migration;
    const { state, context, actions } = this.#step(before, record.migration, event);
    record.state = state;
    record.migration = context;
    this.#markChanged(record);
    if (context.switched && !switched) this.#occupancy.moved(context.vm, context.from, context.to, event.atMs);
    for (const action of actions) this.#carryOut(record, action, event.atMs);
    this.#agenda.set(record, context.deadlineMs ?? Number.POSITIVE_INFINITY);
    if (!TERMINAL.includes(state)) return;
    this.#live.delete(context.id);
    this.#gaps.forget(context.id);
    this.#occupancy.expect(context.vm, context.to, false);
    if (before === 'queued') this.#queue.splice(this.#queue.indexOf(record), 1);
    else this.#admission.count(context, -1);
    this.#admit(event.atMs);
  }

  /** Extends the deadline. No state follows from it, so the machine is not stepped. */
  #progress(record: MigrationEntry, measured: Measured, atMs: number): void {
    const deadlineMs = atMs + this.#limits.stepTimeoutMs;
    record.migration = { ...record.migration, measured, deadlineMs };
    this.#agenda.set(record, deadlineMs);
    this.#markChanged(record);
  }

  #carryOut({ migration }: MigrationEntry, action: MigrationAction, atMs: number): void {
    const { id, vm, from, to, spec } = migration;
    const move: Move = { id, vm, from, to, spec };
    switch (action.type) {
      case 'begin':
        this.#orders.push({ kind: 'begin', step: action.params.step, move });
        break;
      case 'abort':
      case 'inspect':
        this.#orders.push({ kind: action.type, move });
        break;
      case 'say':
        this.#events.push(toEvent(migration, action.params.what, atMs));
    }
  }

  #markChanged(record: MigrationEntry): void {
    if (record.changed) return;
    record.changed = true;
    this.#changed.push(record);
  }
}
