import type { Clock } from './clock.ts';
import { TimerQueue } from './timer-queue.ts';

/** A clock that moves only by calls of its methods. */
export interface VirtualClock extends Clock {
  /** The time of the next callback; undefined if none waits. */
  nextMs(): number | undefined;
  /** Moves to the next callback that is due by `untilMs`, and runs it. @returns false if there is none */
  step(untilMs: number): boolean;
  /** Runs all callbacks that are due by `timeMs`, each at its own time, and then moves to `timeMs`. */
  advanceTo(timeMs: number): void;
  /** Moves to `timeMs` without running callbacks. The callbacks that are due by then run in the next steps. */
  set(timeMs: number): void;
}

/** Makes a clock that stands at `startMs`. */
export function virtualClock(startMs = 0): VirtualClock {
  const timers = new TimerQueue();
  let nowMs = startMs;

  const step = (untilMs: number) => {
    const nextMs = timers.nextMs();
    if (nextMs === undefined || nextMs > untilMs) return false;
    nowMs = Math.max(nowMs, nextMs);
    timers.take(nextMs)?.();
    return true;
  };
  return {
    now: () => nowMs,
    nextMs: () => timers.nextMs(),
    at: (timeMs, callback) => timers.add(timeMs, callback),
    step,
    advanceTo(timeMs) {
      while (step(timeMs));
      nowMs = Math.max(nowMs, timeMs);
    },
    set(timeMs) {
      nowMs = Math.max(nowMs, timeMs);
    },
  };
}
