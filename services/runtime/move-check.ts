/** Checks, for services that show or count moves, that placement ordered the move of which an event tells. */
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

/** So many records are read a second at most: made-up events must not keep the store busy. */
const MAX_READS_PER_S = 100;

/** The check of one service. */
export interface MoveCheck {
  /** Events of migrations that were refused since the start. */
  readonly refused: number;
  /**
   * False: the event tells of a migration that placement did not order, or otherwise than it was ordered, or after its end. Such an event
   * must change nothing. True for events of all other types. A promise only where a record has to be read.
   */
  admits(event: Event): boolean | Promise<boolean>;
  /** The order of a migration; undefined: unknown. */
  orderOf(migration: string): OrderedMove | undefined;
}

/**
 * The events are passed in the order of the bus: a decision comes before the events of its migration. Decisions from before the service
 * subscribed are in the migrator's records, which it writes before it publishes.
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

  /** A migration from before the subscription: its VM's record names the last one. Of older ones only the number is known. */
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
      // Without the record nothing can be said against the event, and nothing for it.
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
