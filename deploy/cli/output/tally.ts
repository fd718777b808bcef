/** Collects the moves of a run for the line after each move and the table at the end. */
import { type Event, type EventType, type Figures, type Prediction, TERMINAL_TYPES } from '#shared/events/index.ts';
import { endOf, isEnd, type MigrationEnd } from '#shared/migration/outcome.ts';

/** The event types that a tally needs. */
export const TALLIED: readonly EventType[] = ['vm.declared.v1', 'placement.decided.v1', ...TERMINAL_TYPES];

/** A move that was ordered. */
export interface OrderedMove {
  readonly migration: string;
  readonly vm: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly prediction: Prediction | undefined;
}

/** A move with its outcome. */
export interface EndedMove extends OrderedMove, MigrationEnd {
  readonly atMs: number;
  readonly figures: Figures;
}

export interface Tally {
  /** Adds an event; a repeat changes nothing. @returns the move that the event ends */
  take(event: Event): EndedMove | undefined;
  /** The first site of each VM. */
  readonly firstHomes: ReadonlyMap<string, string>;
  /** By migration, in the order in which they were ordered. */
  readonly ordered: ReadonlyMap<string, OrderedMove>;
  /** By migration, in the order in which they ended. */
  readonly ended: ReadonlyMap<string, EndedMove>;
}

export function createTally(): Tally {
  const firstHomes = new Map<string, string>();
  const ordered = new Map<string, OrderedMove>();
  const ended = new Map<string, EndedMove>();
  return {
    firstHomes,
    ordered,
    ended,
    take(event) {
      if (event.type === 'vm.declared.v1') {
        if (!firstHomes.has(event.data.vm)) firstHomes.set(event.data.vm, event.data.home);
      } else if (event.type === 'placement.decided.v1') {
        const { verdict, decision, vm, from, to, reason, prediction } = event.data;
        if (verdict === 'move') ordered.set(decision, { migration: decision, vm, from, to, reason, prediction });
      } else if (isEnd(event)) {
        const order = ordered.get(event.data.migration);
        // The table leaves out moves that were ordered before this process subscribed.
        if (order === undefined || ended.has(order.migration)) return undefined;
        const { atMs, figures } = event.data;
        const end = { ...order, ...endOf(event), atMs, figures };
        ended.set(order.migration, end);
        return end;
      }
      return undefined;
    },
  };
}
