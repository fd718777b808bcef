import { Deadlines } from '../time/deadlines.ts';
import type { Cancel } from './clock.ts';

interface Timer {
  callback: (() => void) | undefined;
}

/** Callbacks in order of time, then of registration. Cancelled ones are dropped when their turn comes. */
export class TimerQueue {
  readonly #timers = new Deadlines<Timer>();

  /** Adds a callback. @returns cancels it */
  add(timeMs: number, callback: () => void): Cancel {
    const timer: Timer = { callback };
    this.#timers.push(timeMs, timer);
    return () => {
      timer.callback = undefined;
    };
  }

  /** When the next callback is due; undefined where none waits. */
  nextMs(): number | undefined {
    const timers = this.#timers;
    while (timers.next !== undefined && timers.next.callback === undefined) timers.pop();
    return timers.nextMs;
  }

  /** Removes and returns the first callback that is due at `nowMs`. */
  take(nowMs: number): (() => void) | undefined {
    const nextMs = this.nextMs();
    if (nextMs === undefined || nextMs > nowMs) return undefined;
    const timer = this.#timers.pop()!;
    const { callback } = timer;
    // Cancelling it afterwards has no effect.
    timer.callback = undefined;
    return callback;
  }
}
