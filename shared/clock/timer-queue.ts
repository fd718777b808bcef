import TinyQueue from 'tinyqueue';
import type { Cancel } from './clock.ts';

interface Timer {
  readonly timeMs: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/** Callbacks in order of time, then of registration. Cancelled ones are dropped when they come up. */
export class TimerQueue {
  #queue = new TinyQueue<Timer>([], (a, b) => a.timeMs - b.timeMs || a.order - b.order);
  #order = 0;

  add(timeMs: number, callback: () => void): Cancel {
    const timer: Timer = { timeMs, order: this.#order++, callback };
    this.#queue.push(timer);
    return () => {
      timer.callback = undefined;
    };
  }

  /** When the next callback is due; undefined where none waits. */
  nextMs(): number | undefined {
    return this.#head()?.timeMs;
  }

  /** Removes and returns the first callback that is due at `nowMs`. */
  take(nowMs: number): (() => void) | undefined {
    const head = this.#head();
    if (head === undefined || head.timeMs > nowMs) return undefined;
    this.#queue.pop();
    const callback = head.callback;
    // A cancel after the run must find nothing to do.
    head.callback = undefined;
    return callback;
  }

  #head(): Timer | undefined {
    for (let head = this.#queue.peek(); head !== undefined; head = this.#queue.peek()) {
      if (head.callback !== undefined) return head;
      this.#queue.pop();
    }
    return undefined;
  }
}
