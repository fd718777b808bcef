import type { Clock } from './clock.ts';
import { TimerQueue } from './timer-queue.ts';

/** A clock that stands still until it is moved. */
export interface VirtualClock extends Clock {
  /** When the next callback is due; undefined where none waits. */
  nextMs(): number | undefined;
  /** Moves to the next callback that is due by `untilMs`, and runs it. @returns false where there is none */
  step(untilMs: number): boolean;
  /** Runs all callbacks that are due by `timeMs`, in order and each at its own time, and ends at `timeMs`. */
  advanceTo(timeMs: number): void;
  /** Sets the time without running callbacks: those that are due by then run at the next step. */
  set(timeMs: number): void;
}

/** Makes a clock that stands at `startMs` until it is first moved. */
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
