/** The steps of the migrator in the loop of a partitioned service: take the lead, persist migrations, order their steps. */
import type { Delivery } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { type Event, envelop, readTraceparent, traceOf, traceparentOf } from '#shared/events/index.ts';
import type { Hypervisor, Report } from '#shared/hypervisor/hypervisor.ts';
import type { Log } from '#shared/log.ts';
import { type KeptMigration, keepMigration, MIGRATION_RECORD } from '#shared/migration/kept.ts';
import { truncated } from '#shared/migration/migration.ts';
import type { Migrations } from '#shared/migration/migrations.ts';
import type { MigrationsOutput, Order } from '#shared/migration/output.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Outbox, Refusal } from '../runtime/outbox.ts';
import type { Assignment, Changes, Steps, Written } from '../runtime/steps.ts';
import type { DecisionCheck } from './decision-check.ts';

/** Begins the keys of migration records; the VM's name follows. */
export const MIGRATION_PREFIX = 'migrator/vm/';

const SOURCE = '/tagalong/migrator';

/** The dependencies of the steps. */
export interface MigratorStepsOptions {
  readonly clock: Clock;
  readonly hypervisor: Hypervisor;
  readonly log: Log;
  readonly setAside: SetAside;
  /** The records of migrations, under {@link MIGRATION_PREFIX}. */
  readonly outbox: Outbox<KeptMigration>;
  readonly check: DecisionCheck;
  /** Called when the process becomes the leader, before it inspects the migrations in progress, and when it loses the lead. */
  readonly onLeadership: (isLeader: boolean) => Promise<void>;
  /** Gets the hypervisor's reports while the process is the leader. */
  readonly onReport: (report: Report) => void;
  /** False: nothing is ordered any more. */
  readonly isRunning: () => boolean;
}

/** The steps of the migrator. Each step of a migration is written before it is ordered. */
export class MigratorSteps implements Steps<Migrations, MigrationsOutput, KeptMigration> {
  readonly #options: MigratorStepsOptions;
  #isLeader = false;

  constructor(options: MigratorStepsOptions) {
    this.#options = options;
  }

  /** True: this process holds all partitions. */
  get isLeader(): boolean {
    return this.#isLeader;
  }

  /** Becomes the leader, or stands by. The leader reads all migrations. */
  async load({ partitions, isNew }: Assignment): Promise<(present: Migrations) => Migrations> {
    const isLeader = partitions.length > 0;
    // Also if the process is already the leader: another one may have led in between.
    if (isNew && (isLeader || this.#isLeader)) await this.#lead(isLeader);
    const { outbox, setAside, clock } = this.#options;
    const kept = isLeader ? await outbox.load() : [];
    return (present) => {
      const core = present.withoutMigrations();
      for (const { value } of kept) core.restore(value);
      for (const { key, code, reason } of setAside.list([MIGRATION_RECORD.kind])) {
        core.setAside(key.slice(MIGRATION_PREFIX.length), code, truncated(reason));
      }
      core.resume(Math.round(clock.now()));
      return core;
    };
  }

  admit(batch: readonly Delivery[], core: Migrations): readonly Delivery[] | Promise<readonly Delivery[]> {
    return this.#options.check.admit(batch, core);
  }

  async #lead(isLeader: boolean): Promise<void> {
    const { log, onLeadership, hypervisor, onReport } = this.#options;
    log.info({ isLeader }, isLeader ? 'this migrator is the leader' : 'this migrator stands by');
    await onLeadership(isLeader);
    if (isLeader) hypervisor.listen(onReport);
    this.#isLeader = isLeader;
  }

  /** Gives up the lead, where the process has it. */
  async resign(): Promise<void> {
    if (this.#isLeader) await this.#options.onLeadership(false);
    this.#isLeader = false;
  }

  toChanges({ records, events }: MigrationsOutput): Changes<KeptMigration> {
    const outgoing = events.map(({ id, fact, decidedAtMs }) =>
      envelop(fact, id, SOURCE, { traceparent: traceparentOf(traceOf(fact.data.migration, decidedAtMs)) }),
    );
    const eventsOf = Map.groupBy(outgoing, ({ partitionkey }) => partitionkey);
    const recorded = new Set(records.map(({ vm }) => vm));
    return {
      records: records.map((one) => ({ key: one.vm, value: keepMigration(one), events: eventsOf.get(one.vm) ?? [] })),
      // A migration that was never accepted has no record.
      events: outgoing.filter(({ partitionkey }) => !recorded.has(partitionkey)),
    };
  }

  onWritten({ output, changes, refusals, isLast }: Written<MigrationsOutput, KeptMigration>, core: Migrations): void {
    const refused = new Set(refusals.map(({ key }) => key));
    this.#log(changes, refused);
    if (this.#options.isRunning()) this.#order(output.orders, refused);
    for (const refusal of refusals) this.#refuse(refusal, core, isLast);
  }

  /** A line for each event, but for progress. */
  #log({ records, events = [] }: Changes<KeptMigration>, refused: ReadonlySet<string>): void {
    const published = records.flatMap((record) => (refused.has(record.key) ? [] : record.events));
    for (const event of [...published, ...events]) {
      if (event.type === 'migration.progressed.v1') continue;
      this.#options.log.info({ ...labels(event), event: event.type }, 'migration');
    }
  }

  #order(orders: readonly Order[], refused: ReadonlySet<string>): void {
    const { hypervisor } = this.#options;
    for (const order of orders) {
      if (refused.has(order.move.vm)) continue;
      if (order.kind === 'begin') hypervisor.begin(order.step, order.move);
      else hypervisor[order.kind](order.move);
    }
  }

  /**
   * If a migration's record is refused, it is written again without the oversized figures and texts, and the migration ends. If that is
   * refused too, the VM is set aside. Other VMs are not affected.
   */
  #refuse({ key: vm, error, events }: Refusal, core: Migrations, isLast: boolean): void {
    const { log, setAside, clock } = this.#options;
    if (isLast) {
      setAside.add(MIGRATION_RECORD, MIGRATION_PREFIX + vm, error);
      return;
    }
    log.error({ vm, code: error.code, reason: error.message }, 'a migration could not be recorded as it was');
    const types = events.map(({ type }) => type);
    core.refused(vm, error.code, error.message, types, Math.round(clock.now()));
  }
}

/** The fixed keys under which a migration is logged. */
function labels({ data, traceparent }: Event): Record<string, unknown> {
  const { migration, vm, from, to } = data as unknown as Record<string, unknown>;
  return { migration, vm, from, to, trace: readTraceparent(traceparent)?.traceId, ...outcomeOf(data) };
}

/** The outcome of a migration for the log, in whole milliseconds and bytes; empty while the migration is in progress. */
function outcomeOf(data: Event['data']): Record<string, unknown> {
  if (!('figures' in data)) return {};
  const { durationMs, pauseMs, interruptionMs, bytes, degraded } = data.figures;
  const because = {
    ...('code' in data && { code: data.code, reason: data.reason, phase: data.phase }),
    ...('by' in data && { by: data.by, phase: data.phase }),
  };
  const whole = { durationMs, pauseMs, interruptionMs, bytes } satisfies Record<string, number>;
  const rounded = Object.fromEntries(Object.entries(whole).map(([name, value]) => [name, Math.round(value)]));
  return { ...rounded, ...(degraded.length > 0 && { degraded }), ...because };
}
