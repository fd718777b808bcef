import { Deadlines } from '../time/deadlines.ts';
import type { Cancel } from './clock.ts';

interface Timer {
  callback: (() => void) | undefined;
}

/** Callbacks in the order of their times, then of their registration. A cancelled callback is removed when it becomes the first. */
export class TimerQueue {
  readonly #timers = new Deadlines<Timer>();

  /** Adds a callback. @returns cancels the callback */
  add(timeMs: number, callback: () => void): Cancel {
    const timer: Timer = { callback };
    this.#timers.push(timeMs, timer);
    return () => {
      timer.callback = undefined;
    };
  }

  /** The time of the next callback; undefined if none waits. */
  nextMs(): number | undefined {
    const timers = this.#timers;
    while (timers.next !== undefined && timers.next.callback === undefined) timers.pop();
    return timers.nextMs;
  }

  /** Removes and returns the first callback that is due at `nowMs`; undefined if none is due. */
  take(nowMs: number): (() => void) | undefined {
    const nextMs = this.nextMs();
    if (nextMs === undefined || nextMs > nowMs) return undefined;
    const timer = this.#timers.pop()!;
    const { callback } = timer;
    timer.callback = undefined;
    return callback;
  }
}
