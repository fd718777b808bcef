/**
 * The clock port. All of the product's time comes from here, in milliseconds since the Unix epoch, so that live,
 * replay and simulation differ in nothing but the clock they are given.
 *
 * An adapter promises: `now()` never goes back; a callback runs at or after its time, once, never inside `at()`;
 * callbacks run in order of time, and in order of registration where times are equal; a cancelled one never runs.
 */
export interface Clock {
  now(): number;
  /** Runs `callback` when the clock reaches `timeMs` (at once, but not inside this call, where it already has). */
  at(timeMs: number, callback: () => void): Cancel;
}

/** Takes a callback back; does nothing if it already ran. */
export type Cancel = () => void;
