/**
 * The migrator service: receives decisions from the bus, orders the hypervisor to carry out migrations, and publishes their progress.
 * The migration core (shared/migration) defines the steps and their rules; this service records each step before it orders it.
 *
 * Of several processes one is the leader: the limits of sites and paths are judged over all VMs. The others stand by, with nothing
 * loaded. A process that becomes the leader loads all migrations, and inspects each at the hypervisor before it orders anything.
 */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Hypervisor, Report } from '#shared/hypervisor/hypervisor.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { MIGRATION_RECORD } from '#shared/migration/kept.ts';
import { Migrations } from '#shared/migration/migrations.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { Outbox } from '../runtime/outbox.ts';
import { PartitionedService } from '../runtime/partitioned-service.ts';
import { decisionCheck } from './decision-check.ts';
import { MIGRATION_PREFIX, MigratorSteps } from './steps.ts';

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
  /** The name of its orderer, or the drain that caused it; null: the policy, or a caller without a name. */
  readonly orderedBy: string | null;
}

/** The running migrator. */
export interface MigratorService {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** True, or the reason why no VM is moved at the moment. */
  ready(): true | string;
  /** True: this process moves the VMs. False: it stands by, or has lost bus or store, and another may have become the leader. */
  readonly isLeader: boolean;
  /**
   * Cancels a migration, on behalf of `by`.
   * @param name of the migration, or of the VM that moves
   * @param operator the name of the operator
   * @returns the migration's id
   * @throws TagalongError MIGRATION_UNKNOWN, HELD_ELSEWHERE, MIGRATION_PAST_CANCEL
   */
  cancel(name: string, by: string, operator?: string): Promise<string>;
  /** Decisions that were refused since the start, because placement did not make them. */
  readonly refused: number;
  /** The migrations that have not ended; none where this process is not the leader. */
  status(): MigrationStatus[];
  /** True while a turn is in progress. */
  readonly busy: boolean;
  /** Resolves when no turn is in progress. */
  idle(): Promise<void>;
}

/** The parts of a migrator. */
export interface MigratorOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly hypervisor: Hypervisor;
  readonly config: Config;
  readonly log: Log;
  /** Called when the process becomes the leader, before it inspects the migrations in progress, and when it loses the lead. */
  readonly onLeadership?: (isLeader: boolean) => Promise<void>;
  /** Receives the records that cannot be read or written. @default a list of its own */
  readonly setAside?: SetAside;
}

/**
 * Makes a migrator. It does nothing until `start`.
 *
 * The leader holds all partitions of group `migrator`; every migrator receives heartbeats in group `migrator-sites`. It writes
 * `migrator/vm/<VM>`. It is ready while its state is loaded and the last change was written, also where it stands by.
 */
export function createMigrator(options: MigratorOptions): MigratorService {
  const { bus, store, clock, hypervisor, config } = options;
  const log = serviceLog(options.log, 'migrator');
  const setAside = options.setAside ?? new SetAside({ log, clock });
  const outbox = new Outbox({ store, bus, prefix: MIGRATION_PREFIX, kind: MIGRATION_RECORD, setAside, clock });
  const onReport = (report: Report) => {
    if (!service.running) return;
    // If a report cannot be recorded, the core is loaded again and inspects the migration.
    const recorded = service.work((core) => core.report(report, service.nowMs()));
    recorded.catch((err) => log.error({ err }, 'a report was not recorded'));
  };
  const { onLeadership = async () => {} } = options;
  const check = decisionCheck({ store, log, partitions: config.bus.partitions });
  const isRunning = () => service.running;
  const steps = new MigratorSteps({
    ...{ clock, hypervisor, log, setAside, outbox, check, onLeadership, onReport, isRunning },
  });
  const service = new PartitionedService({
    ...{ group: 'migrator', types: ['placement.decided.v1', 'interruption.reported.v1'], exclusive: true },
    ...{ bus, clock, log, outbox, core: new Migrations(config.limits), steps },
  });
  return {
    start: () => service.start(),
    async stop() {
      await service.stop();
      await steps.resign();
    },
    ready: () => service.ready(),
    get isLeader() {
      return steps.isLeader && bus.connected() === true && store.connected() === true;
    },
    get refused() {
      return check.refused;
    },
    cancel: (name, by, operator) =>
      service.work((core) => {
        if (!steps.isLeader)
          throw new TagalongError(
            'HELD_ELSEWHERE',
            'this migrator is not the leader; send the request to the migrator that is',
          );
        return core.cancel(name, by, service.nowMs(), operator);
      }),
    status: () => statusOf(service.core),
    get busy() {
      return service.busy;
    },
    idle: () => service.idle(),
  };
}

function statusOf({ live }: Migrations): MigrationStatus[] {
  return [...live.values()].map(
    ({ state, migration: { id, vm, from, to, measured, acceptedAtMs, orderedBy = null } }) => ({
      ...{ migration: id, vm, from, to, state },
      ...{ bytes: measured.bytes, rounds: measured.rounds, acceptedAtMs, orderedBy },
    }),
  );
}
