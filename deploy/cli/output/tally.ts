/** What a run's events say about VMs and their moves, kept for the line after each move and the table at the end. */
import type { Event, EventType, Figures, Prediction } from '#shared/events/index.ts';

/** The events a tally wants to see. */
export const TALLIED: readonly EventType[] = [
  'vm.declared.v1',
  'placement.decided.v1',
  'migration.completed.v1',
  'migration.failed.v1',
  'migration.cancelled.v1',
];

export type Outcome = 'completed' | 'failed' | 'cancelled';

/** A move that was ordered. */
export interface OrderedMove {
  readonly migration: string;
  readonly vm: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly prediction: Prediction | undefined;
}

/** A move with how it ended. */
export interface EndedMove extends OrderedMove {
  readonly atMs: number;
  readonly outcome: Outcome;
  /** Where the VM runs now. */
  readonly runsAt: string;
  /** Why it failed, or who cancelled it; empty where it was completed. */
  readonly because: string;
  readonly figures: Figures;
}

export interface Tally {
  /** Takes an event; a repeat changes nothing. The move that it ends, where it is the first to say so. */
  take(event: Event): EndedMove | undefined;
  /** The site where each VM was first. */
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
      switch (event.type) {
        case 'vm.declared.v1':
          if (!firstHomes.has(event.data.vm)) firstHomes.set(event.data.vm, event.data.home);
          return undefined;
        case 'placement.decided.v1': {
          const { verdict, decision, vm, from, to, reason, prediction } = event.data;
          if (verdict === 'move') ordered.set(decision, { migration: decision, vm, from, to, reason, prediction });
          return undefined;
        }
        case 'migration.completed.v1':
        case 'migration.failed.v1':
        case 'migration.cancelled.v1': {
          const order = ordered.get(event.data.migration);
          // One that was ordered before we began to listen is not in the table.
          if (order === undefined || ended.has(order.migration)) return undefined;
          const end = { ...order, ...endOf(event) };
          ended.set(order.migration, end);
          return end;
        }
        default:
          return undefined;
      }
    },
  };
}

type EndEvent = Extract<Event, { type: `migration.${Outcome}.v1` }>;

function endOf({ type, data }: EndEvent): Omit<EndedMove, keyof OrderedMove> {
  const { atMs, figures } = data;
  switch (type) {
    case 'migration.completed.v1':
      return { atMs, figures, outcome: 'completed', runsAt: data.to, because: '' };
    case 'migration.failed.v1':
      return {
        atMs,
        figures,
        outcome: 'failed',
        runsAt: data.runsAt,
        because: `${data.code} in ${data.phase}: ${data.reason}`,
      };
    case 'migration.cancelled.v1':
      return { atMs, figures, outcome: 'cancelled', runsAt: data.from, because: `by ${data.by} in ${data.phase}` };
  }
}
