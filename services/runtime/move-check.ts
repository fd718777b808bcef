/** Checks that placement ordered the move that an event reports. Services that show, count or report moves use this check. */
import type { Clock } from '#shared/clock/clock.ts';
import { realClock } from '#shared/clock/real.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Data, type Event, MIGRATION_TYPES } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import { MIGRATION_RECORD } from '#shared/migration/kept.ts';
import { seqOfDecision } from '#shared/migration/migration.ts';
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
export function moveCheck(options: MoveCheckOptions): MoveCheck {
  return new RecordedMoveCheck(options);
}

class RecordedMoveCheck implements MoveCheck {
  readonly #options: MoveCheckOptions;
  readonly #moves = new OrderedMoves();
  /** Moves by decisions that nothing proves. They count only beside the migrator's record. */
  readonly #claimed = new RecentMap<OrderedMove>(MAX_CLAIMED);
  readonly #trouble: ReturnType<typeof repeatedFault>;
  readonly #quota: ReturnType<typeof readQuota>;
  #refused = 0;

  constructor(options: MoveCheckOptions) {
    this.#options = options;
    this.#trouble = repeatedFault(options.log, 'events of migrations are ignored', 'warn');
    this.#quota = readQuota(options.quotaClock ?? realClock());
  }

  get refused(): number {
    return this.#refused;
  }

  orderOf(migration: string): OrderedMove | undefined {
    return this.#moves.of(migration);
  }

  admits(event: Event): boolean | Promise<boolean> {
    if (event.type === 'placement.decided.v1') return this.#admitDecision(event);
    if (!isMigrationEvent(event)) return true;
    return this.#judge(event) ?? this.#lookUp(event);
  }

  #refuse({ data: { vm, from, to, ...data } }: Judged, why: string): false {
    this.#refused++;
    const id = 'migration' in data ? data.migration : data.decision;
    const next = 'find out who else may publish on this bus (SECURITY.md)';
    this.#trouble.failed(new TagalongError('EVENT_INVALID', `${id}, from ${from} to ${to}: ${why}; ${next}`), { vm });
    return false;
  }

  /** Undefined: the order of the migration is unknown. */
  #judge(fact: MigrationFact): boolean | undefined {
    const judgement = this.#moves.judge(fact, Math.round(this.#options.clock.now()));
    if (judgement === 'unknown') return undefined;
    if (judgement === 'contradicts') {
      return this.#refuse(fact, 'VM, sites or times do not fit the decision of this number');
    }
    return judgement === 'fits';
  }

  /**
   * Only a decision that is proven false is refused. One that the record does not prove any more is shown, and its move counts only
   * beside the migrator's record. One that cannot be looked up is believed.
   */
  async #admitDecision(event: Decision): Promise<boolean> {
    const { data } = event;
    const { store, partitions } = this.#options;
    let judgement: string | undefined;
    try {
      if (this.#quota.isLeft()) judgement = judgeDecision(data, await readOrder(store, data.vm, partitions));
    } catch (error) {
      this.#trouble.failed(error, { vm: data.vm });
    }
    if (judgement === undefined) this.#moves.decided(data);
    else if (judgement !== OVERTAKEN) {
      this.#quota.spend();
      return this.#refuse(event, judgement);
    } else if (data.verdict === 'move') this.#claimed.set(data.decision, orderIn(data));
    return true;
  }

  /** Judges an event by the migrator's record of its VM. */
  async #lookUp(fact: MigrationFact): Promise<boolean> {
    const { vm } = fact.data;
    if (!(await this.#quota.wait())) {
      return this.#refuse(fact, 'its decision is not known here, and too many such events come to look it up');
    }
    try {
      const judgement = await this.#judgeByRecord(fact);
      if (judgement !== undefined) return judgement;
    } catch (error) {
      // Without the record the check can neither accept nor refute the event.
      if (this.#options.unproven === 'throw') throw error;
      if (!isUnreadable(error)) this.#trouble.failed(error, { vm });
      return false;
    }
    this.#quota.spend();
    return this.#refuse(fact, 'placement made no such decision');
  }

  /**
   * The record names the VM's last migration; it has only the numbers of older ones. An older migration counts if its decision was on
   * the bus. Undefined: the record has no such migration.
   */
  async #judgeByRecord(fact: MigrationFact): Promise<boolean | undefined> {
    const { vm, migration } = fact.data;
    const claim = this.#claimed.get(migration);
    const stored = await this.#options.store.get(MIGRATION_PREFIX + vm);
    if (stored === undefined) return undefined;
    const { id, seq, from, to, acceptedAtMs } = valueBesideOutbox(MIGRATION_RECORD, stored.value).migration;
    if (id === migration) {
      this.#moves.add(id, { vm, from, to, atMs: acceptedAtMs, prediction: claim?.prediction });
      return this.#judge(fact) ?? false;
    }
    const number = seqOfDecision(vm, migration);
    if (number === undefined || number > seq) return undefined;
    if (claim !== undefined) {
      this.#moves.add(migration, claim);
      return this.#judge(fact) ?? false;
    }
    this.#quota.spend();
    if (this.#options.unproven !== 'throw') return false;
    throw new TagalongError('EVENT_INVALID', `${migration}: no record of this move is left; tell it by hand`);
  }
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
