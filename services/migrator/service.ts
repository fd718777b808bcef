/**
 * The migrator service: decisions from the bus, orders to the hypervisor, what came of them back to the bus. The steps
 * and their rules are in shared/migration; here they are recorded before they are ordered.
 *
 * Of several processes one is on duty: the limits of sites and paths are judged over all VMs. The others stand by, with
 * nothing loaded; the one that takes over loads all, and asks the hypervisor what is true before it orders anything.
 */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Event, envelop, readTraceparent, traceOf, traceparentOf } from '#shared/events/index.ts';
import type { Hypervisor, Report } from '#shared/hypervisor/hypervisor.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { type KeptMigration, keepMigration, MIGRATION_RECORD } from '#shared/migration/kept.ts';
import { cut } from '#shared/migration/migration.ts';
import { Migrations } from '#shared/migration/migrations.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { type Change, Outbox } from '../runtime/outbox.ts';
import { stateful } from '../runtime/stateful.ts';

const SOURCE = '/tagalong/migrator';
const PREFIX = 'migrator/vm/';

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
  /** True: this is the process that moves VMs. False: it stands by, or cannot: another may have taken duty meanwhile. */
  readonly onDuty: boolean;
  /**
   * Takes a migration back.
   * @param name of the migration, or of the VM that moves
   * @returns the migration's id
   * @throws TagalongError MIGRATION_UNKNOWN, HELD_ELSEWHERE, MIGRATION_PAST_CANCEL
   */
  cancel(name: string, by: string): Promise<string>;
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
  /** Told that the process takes duty, before it looks at what is under way, and that it has lost it. */
  readonly duty?: (on: boolean) => Promise<void>;
  /** Where records go that cannot be read or written. @default a list of its own */
  readonly setAside?: SetAside;
}

export function createMigrator({
  bus,
  store,
  clock,
  hypervisor,
  config,
  log: parent,
  duty = async () => {},
  ...rest
}: MigratorOptions): MigratorService {
  const log = serviceLog(parent, 'migrator');
  const setAside = rest.setAside ?? new SetAside({ log, clock });
  const outbox = new Outbox({ store, bus, prefix: PREFIX, kind: MIGRATION_RECORD, setAside, clock });
  let core = new Migrations(config.limits);
  const nowMs = () => Math.round(clock.now());
  let onDuty = false;
  const load = async (partitions: readonly number[], given: boolean) => {
    const isMine = partitions.length > 0;
    // Taken also by who has it already: another may have had it in between, and given it up.
    if (given && (isMine || onDuty)) {
      log.info({ onDuty: isMine }, isMine ? 'on duty' : 'standing by');
      await duty(isMine);
      if (isMine) hypervisor.listen(hear);
      onDuty = isMine;
    }
    const kept = isMine ? await outbox.load() : [];
    core = core.withoutMigrations();
    for (const { value } of kept) core.restore(value);
    for (const { key, code, reason } of setAside.list([MIGRATION_RECORD.kind])) {
      core.setAside(key.slice(PREFIX.length), code, cut(reason));
    }
    core.resume(nowMs());
  };

  const hear = (report: Report) => {
    if (!service.running) return;
    // A report that could not be recorded is asked for again: the core is loaded anew, and inspects.
    service.work(() => core.report(report, nowMs())).catch((err) => log.error({ err }, 'a report was not recorded'));
  };

  /** Records what changed, says what follows, then orders. @returns what was refused */
  const record = async (): Promise<readonly Refused[]> => {
    const { records: changed, events: outgoing, orders } = core.drain();
    const events = outgoing.map(({ id, fact, decidedAtMs }) =>
      envelop(fact, id, SOURCE, { traceparent: traceparentOf(traceOf(fact.data.migration, decidedAtMs)) }),
    );
    const eventsOf = Map.groupBy(events, ({ partitionkey }) => partitionkey);
    const changes = changed.map((one): Change<KeptMigration> => {
      const own = eventsOf.get(one.vm) ?? [];
      return { key: one.vm, value: keepMigration(one), events: own };
    });
    const refusals = await outbox.commit(changes);
    const refused = new Map(refusals.map(({ key, error }) => [key, error]));
    // What was said of a migration that was never taken up changes no record.
    const recorded = new Set(changed.map(({ vm }) => vm));
    const rest = events.filter(({ partitionkey }) => !recorded.has(partitionkey));
    if (rest.length > 0) await bus.publish(rest);
    for (const event of events) {
      if (event.type === 'migration.progressed.v1' || refused.has(event.partitionkey)) continue;
      log.info({ ...labels(event), event: event.type }, 'migration');
    }
    if (service.running) {
      for (const order of orders) {
        if (refused.has(order.move.vm)) continue;
        if (order.kind === 'begin') hypervisor.begin(order.step, order.move);
        else hypervisor[order.kind](order.move);
      }
    }
    return [...refused].map(([vm, error]) => ({ vm, error, events: (eventsOf.get(vm) ?? []).map(({ type }) => type) }));
  };

  /** A migration that cannot be recorded is recorded without what was too much, and ends; the others are not concerned. */
  const commit = async () => {
    for (const { vm, error, events } of await record()) {
      log.error({ vm, code: error.code, reason: error.message }, 'a migration could not be recorded as it was');
      core.refused(vm, error.code, error.message, events, nowMs());
    }
    if (!core.pending) return;
    for (const { vm, error } of await record()) setAside.add(MIGRATION_RECORD, PREFIX + vm, error);
  };

  const service = stateful({
    ...{
      group: 'migrator',
      types: ['placement.decided.v1', 'interruption.reported.v1'],
      exclusive: true,
      bus,
      clock,
      log,
      load,
      commit,
    },
    apply(batch) {
      const atMs = nowMs();
      for (const { event } of batch) core.apply(event, atMs);
    },
    nextWakeMs: () => core.nextWakeMs(),
    advance: () => core.advance(nowMs()),
  });

  return {
    start: service.start,
    async stop() {
      await service.stop();
      if (onDuty) await duty(false);
      onDuty = false;
    },
    ready: service.ready,
    get onDuty() {
      return onDuty && bus.connected() === true && store.connected() === true;
    },
    cancel: (name, by) =>
      service.work(() => {
        if (!onDuty) throw new TagalongError('HELD_ELSEWHERE', 'another migrator is on duty: ask there');
        return core.cancel(name, by, nowMs());
      }),
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
      return service.busy;
    },
    idle: service.idle,
  };
}

/** What of a VM was neither recorded nor said. */
interface Refused {
  readonly vm: string;
  readonly error: TagalongError;
  readonly events: readonly string[];
}

/** The fixed keys under which a migration is logged. */
function labels({ data, traceparent }: Event): Record<string, unknown> {
  const { migration, vm, from, to } = data as unknown as Record<string, unknown>;
  return { migration, vm, from, to, trace: readTraceparent(traceparent)?.traceId, ...outcomeOf(data) };
}

/** What became of a migration that has ended; nothing of one that has not. */
function outcomeOf(data: Event['data']): Record<string, unknown> {
  if (!('figures' in data)) return {};
  const { durationMs, pauseMs, interruptionMs, bytes, degraded } = data.figures;
  const because = {
    ...('code' in data && { code: data.code, reason: data.reason, phase: data.phase }),
    ...('by' in data && { by: data.by, phase: data.phase }),
  };
  return { durationMs, pauseMs, interruptionMs, bytes, ...(degraded.length > 0 && { degraded }), ...because };
}
