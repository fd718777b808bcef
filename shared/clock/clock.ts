/**
 * The clock port. All decisions take their time from it, so live runs, replays and simulations differ only in their clock. The
 * adapters of servers and hosts measure their timeouts with the machine's timers instead.
 *
 * Every adapter keeps these promises:
 * - `now()` never goes back.
 * - A callback runs once, at or after its time, and never inside `at()`. A cancelled callback never runs.
 * - Callbacks run in the order of their times; if times are equal, in the order in which they were registered.
 *
 * shared/clock holds clocks and functions that wait; they use the machine's time. shared/time holds pure queues and counters.
 */
export interface Clock {
  /** The present instant, in milliseconds since the Unix epoch. It may be a fraction. */
  now(): number;
  /** Runs `callback` when the clock reaches `timeMs`; if it already has, soon after this call. @returns cancels the callback */
  at(timeMs: number, callback: () => void): Cancel;
}

/** Cancels a callback. It does nothing if the callback has already run. */
export type Cancel = () => void;
