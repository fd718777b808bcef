/**
 * shared/clock holds clocks and waiting, which take the time from the machine; shared/time holds pure queues and counts.
 *
 * The clock port, in milliseconds since the Unix epoch. All decisions take their time from it, so that live, replay and simulation
 * differ in nothing but the clock. Adapters of servers and hosts measure their own timeouts with the machine's timers.
 *
 * An adapter promises: `now()` never goes back; a callback runs at or after its time, once, never inside `at()`;
 * callbacks run in order of time, and in order of registration where times are equal; a cancelled one never runs.
 */
export interface Clock {
  /** The present instant, in milliseconds since the Unix epoch. It may have a fraction. */
  now(): number;
  /** Runs `callback` when the clock reaches `timeMs`: soon after this call where it already has. @returns cancels it */
  at(timeMs: number, callback: () => void): Cancel;
}

/** Cancels a callback; does nothing if it already ran. */
export type Cancel = () => void;
