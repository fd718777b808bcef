/** Checks that placement ordered the move that an event reports. Services that show, count or report moves use this check. */
import type { Clock } from '#shared/clock/clock.ts';
import { realClock } from '#shared/clock/real.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Data, type Event, MIGRATION_TYPES } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import { MIGRATION_RECORD } from '#shared/migration/kept.ts';
import { type MigrationFact, type OrderedMove, OrderedMoves } from '#shared/migration/ordered-moves.ts';
import { RecentMap } from '#shared/recent.ts';
import { valueBesideOutbox } from '#shared/store/records.ts';
import type { Store } from '#shared/store/store.ts';
import { isUnreadable } from '#shared/store/update.ts';
import { MIGRATION_PREFIX } from '../migrator/steps.ts';
import { judgeDecision, OVERTAKEN, readOrder } from './decision-proof.ts';
import { readQuota } from './read-quota.ts';

/** Decisions that are remembered at least although nothing proves them yet. */
const MAX_CLAIMED = 10_000;

/** The check of one service. */
export interface MoveCheck {
  /** The number of decisions and migration events that the check has refused since its start. */
  readonly refused: number;
  /**
   * Returns false if placement did not make the decision or order the migration, if the event contradicts the order, or if the migration
   * has ended already. Such an event must change nothing. Returns true for events of all other types. Returns a promise only if a record
   * has to be read.
   * @throws TagalongError EVENT_INVALID, and those of the store; only with `unproven: 'throw'`
   */
  admits(event: Event): boolean | Promise<boolean>;
  /** The order of a migration; undefined if it is unknown. */
  orderOf(migration: string): OrderedMove | undefined;
}

/** The dependencies of a check. */
export interface MoveCheckOptions {
  /** Has the records of placement and of the migrator. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** The number of partitions of the bus. */
  readonly partitions: number;
  /**
   * An event of a move of which no record is left, or whose record cannot be read: ignore it, or throw, so that the bus delivers it again
   * and then makes it a dead letter. @default 'drop'
   */
  readonly unproven?: 'drop' | 'throw';
  /** @default the machine's */
  readonly quotaClock?: Clock;
}

/**
 * Makes the check of one service. The service passes the events in the order of the bus: a decision comes before the events of its
 * migration. Placement's record proves a decision while its move is under way. The migrator's records prove the other moves: the
 * migrator writes a record before it publishes.
 */
export function moveCheck({
  store,
  clock,
  log,
  partitions,
  unproven = 'drop',
  quotaClock,
}: MoveCheckOptions): MoveCheck {
  const moves = new OrderedMoves();
  /** Moves by decisions that nothing proves. They count only beside the migrator's record. */
  const claimed = new RecentMap<OrderedMove>(MAX_CLAIMED);
  const trouble = repeatedFault(log, 'events of migrations are ignored', 'warn');
  const quota = readQuota(quotaClock ?? realClock());
  let refused = 0;

  const refuse = ({ data: { vm, from, to, ...data } }: Judged, why: string): false => {
    refused++;
    const id = 'migration' in data ? data.migration : data.decision;
    const next = 'find out who else may publish on this bus (SECURITY.md)';
    trouble.failed(new TagalongError('EVENT_INVALID', `${id}, from ${from} to ${to}: ${why}; ${next}`), { vm });
    return false;
  };

  const judge = (fact: MigrationFact): boolean | undefined => {
    const judgement = moves.judge(fact, Math.round(clock.now()));
    if (judgement === 'unknown') return undefined;
    if (judgement === 'contradicts') return refuse(fact, 'VM, sites or times do not fit the decision of this number');
    return judgement === 'fits';
  };

  /**
   * Only a decision that is proven false is refused. One that the record does not prove any more is shown, and its move counts only
   * beside the migrator's record. One that cannot be looked up is believed.
   */
  const admitDecision = async (event: Decision): Promise<boolean> => {
    const { data } = event;
    let judgement: string | undefined;
    try {
      if (quota.isLeft()) judgement = judgeDecision(data, await readOrder(store, data.vm, partitions));
    } catch (error) {
      trouble.failed(error, { vm: data.vm });
    }
    if (judgement === undefined) moves.decided(data);
    else if (judgement !== OVERTAKEN) {
      quota.spend();
      return refuse(event, judgement);
    } else if (data.verdict === 'move') claimed.set(data.decision, orderIn(data));
    return true;
  };

  /**
   * Judges an event by the migrator's record of its VM. The record names the VM's last migration; it has only the numbers of older
   * ones. An older migration counts if its decision was on the bus.
   */
  const lookUp = async (fact: MigrationFact): Promise<boolean> => {
    const { vm, migration } = fact.data;
    if (!(await quota.wait())) {
      return refuse(fact, 'its decision is not known here, and too many such events come to look it up');
    }
    const claim = claimed.get(migration);
    try {
      const stored = await store.get(MIGRATION_PREFIX + vm);
      if (stored !== undefined) {
        const { id, seq, from, to, acceptedAtMs } = valueBesideOutbox(MIGRATION_RECORD, stored.value).migration;
        if (id === migration) {
          moves.add(id, { vm, from, to, atMs: acceptedAtMs, prediction: claim?.prediction });
          return judge(fact) ?? false;
        }
        const number = Number(migration.slice(vm.length + 1));
        if (migration === `${vm}:${number}` && number >= 1 && number <= seq) {
          if (claim === undefined) {
            quota.spend();
            if (unproven === 'drop') return false;
            throw new TagalongError('EVENT_INVALID', `${migration}: no record of this move is left; tell it by hand`);
          }
          moves.add(migration, claim);
          return judge(fact) ?? false;
        }
      }
    } catch (error) {
      // Without the record the check can neither accept nor refute the event.
      if (unproven === 'throw') throw error;
      if (!isUnreadable(error)) trouble.failed(error, { vm });
      return false;
    }
    quota.spend();
    return refuse(fact, 'placement made no such decision');
  };

  return {
    get refused() {
      return refused;
    },
    orderOf: (migration) => moves.of(migration),
    admits(event) {
      if (event.type === 'placement.decided.v1') return admitDecision(event);
      if (!isMigrationEvent(event)) return true;
      return judge(event) ?? lookUp(event);
    },
  };
}

type Decision = Extract<Event, { type: 'placement.decided.v1' }>;
type Judged = { readonly data: MigrationFact['data'] | Data<'placement.decided.v1'> };

/** A decision has an explanation of some kilobytes: only what is needed of it is kept. */
function orderIn({ vm, from, to, atMs, prediction }: Data<'placement.decided.v1'>): OrderedMove {
  return { vm, from, to, atMs, prediction };
}

const TYPES: ReadonlySet<string> = new Set(MIGRATION_TYPES);

function isMigrationEvent(event: Event): event is Extract<Event, { type: MigrationFact['type'] }> {
  return TYPES.has(event.type);
}
