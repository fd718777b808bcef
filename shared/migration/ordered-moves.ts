/**
 * The moves that placement ordered, and whether an event of a migration belongs to one of them. Each client of the bus can
 * make such an event up, so a service that shows or counts moves first asks here. Pure; its memory is bounded.
 */
import type { Data, FactOf, Figures, MIGRATION_TYPES, Prediction } from '../events/index.ts';
import { RecentMap } from '../recent.ts';
import { type EndFact, isEnd } from './outcome.ts';

/** A fact about a migration. */
export type MigrationFact = FactOf<(typeof MIGRATION_TYPES)[number]>;

/** A move as placement ordered it. */
export interface OrderedMove {
  readonly vm: string;
  readonly from: string;
  readonly to: string;
  /** When it was decided, in ms since the epoch. */
  readonly atMs: number;
  readonly prediction?: Prediction | undefined;
}

/**
 * A fact `fits` an ordered move; or it comes `late`, after the end of its move; or its migration is `unknown` here; or it
 * `contradicts` the order.
 */
export type Judgement = 'fits' | 'late' | 'unknown' | 'contradicts';

/** Moves that are remembered at least. */
const REMEMBERED = 10_000;
/** The clocks of two hosts differ by less: a position from so far ahead is refused too. */
export const CLOCKS_DIFFER_MS = 60_000;

/** The moves that were ordered last, by their decisions. */
export class OrderedMoves {
  readonly #moves = new RecentMap<{ readonly order: OrderedMove; ended: boolean }>(REMEMBERED);

  /** Adds the move that a decision orders. Other verdicts and repeats change nothing. */
  decided({ decision, verdict, vm, from, to, atMs, prediction }: Data<'placement.decided.v1'>): void {
    // A decision has an explanation of some kilobytes: only what is needed of it is kept.
    if (verdict === 'move') this.add(decision, { vm, from, to, atMs, prediction });
  }

  /** Adds a move that was ordered. A repeat changes nothing. */
  add(migration: string, order: OrderedMove): void {
    if (this.#moves.get(migration) === undefined) this.#moves.set(migration, { order, ended: false });
  }

  /** The order of a migration; undefined: unknown. */
  of(migration: string): OrderedMove | undefined {
    return this.#moves.get(migration)?.order;
  }

  /** Judges a fact. The first terminal fact that fits ends its move. @param nowMs the clock */
  judge(fact: MigrationFact, nowMs: number): Judgement {
    const { data } = fact;
    const move = this.#moves.get(data.migration);
    if (move === undefined) return 'unknown';
    if (isOtherMove(move.order, fact)) return 'contradicts';
    if (move.ended) return 'late';
    if (!isEnd(fact)) return 'fits';
    if (lastedTooLong(move.order, fact, nowMs)) return 'contradicts';
    move.ended = true;
    return 'fits';
  }
}

/** True if a fact does not fit the order of its migration: another VM, other sites, or longer times than have passed since. */
export function contradicts(order: OrderedMove, fact: MigrationFact, nowMs: number): boolean {
  return isOtherMove(order, fact) || (isEnd(fact) && lastedTooLong(order, fact, nowMs));
}

function isOtherMove({ vm, from, to }: OrderedMove, { data }: MigrationFact): boolean {
  return vm !== data.vm || from !== data.from || to !== data.to;
}

function lastedTooLong({ atMs }: OrderedMove, { data }: EndFact, nowMs: number): boolean {
  const sinceOrderMs = Math.max(0, Math.min(data.atMs, nowMs) - atMs);
  return longestMs(data.figures) > sinceOrderMs + CLOCKS_DIFFER_MS;
}

/** The longest time that the figures of a move name. */
function longestMs({ durationMs, pauseMs, interruptionMs, hypervisorDowntimeMs = 0, phaseMs = {} }: Figures): number {
  return Math.max(durationMs, pauseMs, interruptionMs, hypervisorDowntimeMs, ...Object.values(phaseMs));
}
