/**
 * The migrator service: decisions from the bus, orders to the hypervisor, what came of them back to the bus. The steps
 * and their rules are in shared/migration; here they are recorded before they are ordered.
 */
import type { Bus, Delivery, Subscription } from '#shared/bus/bus.ts';
import { alarm } from '#shared/clock/alarm.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { envelop } from '#shared/events/index.ts';
import type { Hypervisor } from '#shared/hypervisor/hypervisor.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { type KeptMigration, Migrations } from '#shared/migration/migrations.ts';
import type { Store } from '#shared/store/store.ts';
import { followSites } from '../follow-sites.ts';
import { type Change, Ledger } from '../ledger.ts';
import { recorded } from '../recorded.ts';

const SOURCE = '/tagalong/migrator';

/** A migration that has not ended, for people and programs. */
export interface MigrationStatus {
  readonly migration: string;
  readonly vm: string;
  readonly from: string;
  readonly to: string;
  readonly state: string;
  readonly bytes: number;
  readonly rounds: number;
  readonly acceptedAtMs: number;
}

export interface MigratorService {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** True, or why nothing is moved at the moment. */
  ready(): true | string;
  /** Takes a migration back. @throws TagalongError MIGRATION_UNKNOWN, MIGRATION_PAST_CANCEL */
  cancel(migration: string, by: string): Promise<void>;
  status(): MigrationStatus[];
  /** True while something is being worked on. */
  readonly busy: boolean;
  /** Resolves when nothing is. */
  idle(): Promise<void>;
}

export interface MigratorOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly hypervisor: Hypervisor;
  readonly config: Config;
  readonly log: Log;
}

export function createMigrator({
  bus,
  store,
  clock,
  hypervisor,
  config,
  log: parent,
}: MigratorOptions): MigratorService {
  const log = serviceLog(parent, 'migrator');
  const ledger = new Ledger(store, bus, 'migrator/vm/');
  const subscriptions: Subscription[] = [];
  let core = new Migrations(config.limits);
  let running = false;
  let loaded = false;
  const nowMs = () => Math.round(clock.now());
  const load = async () => {
    const kept = await ledger.load<KeptMigration>();
    core = core.withoutMigrations();
    for (const { value } of kept) core.restore(value);
    core.resume(nowMs());
    loaded = true;
  };

  const commit = async () => {
    const { changed, said, orders } = core.take();
    const events = said.map(({ id, fact }) => envelop(fact, id, SOURCE));
    const eventsOf = Map.groupBy(events, ({ partitionkey }) => partitionkey);
    const changes = changed.map(({ vm, state, migration }): Change => {
      const own = eventsOf.get(vm) ?? [];
      eventsOf.delete(vm);
      return { key: vm, value: { state, migration } satisfies KeptMigration, events: own };
    });
    await ledger.commit(changes);
    // What was said of a migration that was never taken up changes no record.
    const rest = [...eventsOf.values()].flat();
    if (rest.length > 0) await bus.publish(rest);
    for (const { type, data } of events) {
      if (type !== 'migration.progressed.v1') log.info({ ...labels(data), event: type }, 'migration');
    }
    if (!running) return;
    for (const order of orders) {
      if (order.kind === 'begin') hypervisor.begin(order.step, order.move);
      else hypervisor[order.kind](order.move);
    }
  };

  const state = recorded({ load, commit });
  const wake = alarm(clock, () => {
    // What is overdue stays so: the next change finds it.
    work(() => core.advance(nowMs())).catch((err) => log.error({ err }, 'a deadline could not be met'));
  });
  const work = async <T>(change: () => T): Promise<T> => {
    const result = await state.work(change);
    if (running) wake(core.nextWakeMs());
    return result;
  };
  const apply = (batch: readonly Delivery[]) => {
    for (const { event } of batch) core.apply(event);
  };
  const handle = async (batch: readonly Delivery[]) => work(() => apply(batch));

  return {
    async start() {
      running = true;
      hypervisor.listen((report) => {
        if (!running) return;
        // A report that could not be recorded is asked for again: the core is loaded anew, and inspects.
        void work(() => core.report(report, nowMs())).catch((err) => log.error({ err }, 'a report was not recorded'));
      });
      // Before the migrations are there a heartbeat changes nothing that has to be written.
      const learn = async (batch: readonly Delivery[]) => (loaded ? handle(batch) : apply(batch));
      subscriptions.push(await followSites(bus, 'migrator-sites', learn));
      await work(() => {});
      subscriptions.push(await bus.subscribe({ group: 'migrator', types: ['placement.decided.v1'] }, handle));
    },
    async stop() {
      running = false;
      wake(undefined);
      await Promise.all(subscriptions.splice(0).map((subscription) => subscription.stop()));
      await state.idle();
    },
    ready: () => (!running ? 'not running' : state.sound || 'its state could not be written'),
    cancel: (id, by) => work(() => core.cancel(id, by, nowMs())),
    status: () =>
      [...core.live.values()].map(({ state, migration: { id, vm, from, to, measured, acceptedAtMs } }) => ({
        migration: id,
        vm,
        from,
        to,
        state,
        bytes: measured.bytes,
        rounds: measured.rounds,
        acceptedAtMs,
      })),
    get busy() {
      return state.busy;
    },
    idle: () => state.idle(),
  };
}

/** The fixed keys under which a migration is logged. */
function labels(data: object): Record<string, unknown> {
  const { migration, vm, from, to } = data as Record<string, unknown>;
  return { migration, vm, from, to };
}
