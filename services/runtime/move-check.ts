/** Checks that placement ordered the move that a migration event reports. Services that show or count moves use this check. */
import type { Clock } from '#shared/clock/clock.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Event, MIGRATION_TYPES } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import { MIGRATION_RECORD } from '#shared/migration/kept.ts';
import { type MigrationFact, type OrderedMove, OrderedMoves } from '#shared/migration/ordered-moves.ts';
import { valueBesideOutbox } from '#shared/store/records.ts';
import type { Store } from '#shared/store/store.ts';
import { isUnreadable } from '#shared/store/update.ts';
import { MIGRATION_PREFIX } from '../migrator/steps.ts';

/** The check reads at most this many records a second: made-up events must not keep the store busy. */
const MAX_READS_PER_S = 100;

/** The check of one service. */
export interface MoveCheck {
  /** The number of migration events that the check has refused since its start. */
  readonly refused: number;
  /**
   * Returns false if placement did not order the migration, if the event contradicts the order, or if the migration has ended already. Such
   * an event must change nothing. Returns true for events of all other types. Returns a promise only if a record has to be read.
   */
  admits(event: Event): boolean | Promise<boolean>;
  /** The order of a migration; undefined if it is unknown. */
  orderOf(migration: string): OrderedMove | undefined;
}

/**
 * Makes the check of one service. The service passes the events in the order of the bus: a decision comes before the events of its
 * migration. The migrator's records have the decisions from before the service subscribed: the migrator writes a record before it
 * publishes.
 */
export function moveCheck({ store, clock, log }: { store: Store; clock: Clock; log: Log }): MoveCheck {
  const moves = new OrderedMoves();
  const trouble = repeatedFault(log, 'events of migrations are ignored', 'warn');
  let refused = 0;
  let reads = 0;
  let readsSinceMs = 0;

  const refuse = ({ data: { migration, vm, from, to } }: MigrationFact, why: string): false => {
    refused++;
    const next = 'find out who else may publish on this bus (SECURITY.md)';
    trouble.failed(new TagalongError('EVENT_INVALID', `${migration}, from ${from} to ${to}: ${why}; ${next}`), { vm });
    return false;
  };

  const judge = (fact: MigrationFact): boolean | undefined => {
    const judgement = moves.judge(fact, Math.round(clock.now()));
    if (judgement === 'unknown') return undefined;
    if (judgement === 'contradicts') return refuse(fact, 'VM, sites or times do not fit the decision of this number');
    return judgement === 'fits';
  };

  const mayRead = (): boolean => {
    const nowMs = clock.now();
    if (nowMs >= readsSinceMs + 1000) {
      readsSinceMs = nowMs;
      reads = 0;
    }
    return ++reads <= MAX_READS_PER_S;
  };

  /** Judges an event by the record of its VM. The record names the VM's last migration; it has only the numbers of older ones. */
  const lookUp = async (fact: MigrationFact): Promise<boolean> => {
    const { vm, migration } = fact.data;
    try {
      const stored = await store.get(MIGRATION_PREFIX + vm);
      if (stored !== undefined) {
        const { id, seq, from, to, acceptedAtMs } = valueBesideOutbox(MIGRATION_RECORD, stored.value).migration;
        if (id === migration) {
          moves.add(id, { vm, from, to, atMs: acceptedAtMs });
          return judge(fact) ?? false;
        }
        const number = Number(migration.slice(vm.length + 1));
        if (migration === `${vm}:${number}` && number >= 1 && number <= seq) return false;
      }
    } catch (error) {
      // Without the record the check can neither accept nor refute the event.
      if (!isUnreadable(error)) trouble.failed(error, { vm });
      return false;
    }
    return refuse(fact, 'placement made no such decision');
  };

  return {
    get refused() {
      return refused;
    },
    orderOf: (migration) => moves.of(migration),
    admits(event) {
      if (event.type === 'placement.decided.v1') moves.decided(event.data);
      if (!isMigrationEvent(event)) return true;
      const isFit = judge(event);
      if (isFit !== undefined) return isFit;
      return mayRead()
        ? lookUp(event)
        : refuse(event, 'its decision is not known here, and too many such events come to look it up');
    },
  };
}

const TYPES: ReadonlySet<string> = new Set(MIGRATION_TYPES);

function isMigrationEvent(event: Event): event is Extract<Event, { type: MigrationFact['type'] }> {
  return TYPES.has(event.type);
}
