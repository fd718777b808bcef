import type { Clock } from './clock.ts';
import { TimerQueue } from './timer-queue.ts';

/** A clock that stands still until it is moved. */
export interface VirtualClock extends Clock {
  /** When the next callback is due; undefined where none waits. */
  nextMs(): number | undefined;
  /** Moves to the next callback, if it is due by `untilMs`, and runs it. False where there was none. */
  step(untilMs: number): boolean;
  /** Runs all that is due by `timeMs`, in order, each at its own time, and ends at `timeMs`. */
  advanceTo(timeMs: number): void;
  /** Makes it `timeMs`, and runs nothing: what is due by then is still to be stepped to. */
  set(timeMs: number): void;
}

/** @param startMs what `now()` says until the clock is first moved */
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
