import type { Clock } from './clock.ts';
import { TimerQueue } from './timer-queue.ts';

/** The longest delay `setTimeout` takes: 2^31 - 1 ms, about 25 days. */
const LONGEST_DELAY_MS = 2_147_483_647;

/**
 * The machine's clock. Kept from going back when the machine's is set back: the order of events matters more here than
 * agreement with the wall.
 */
export function realClock(): Clock {
  const timers = new TimerQueue();
  let latestMs = 0;
  let wake: NodeJS.Timeout | undefined;

  const now = () => {
    latestMs = Math.max(latestMs, Date.now());
    return latestMs;
  };
  const arm = () => {
    clearTimeout(wake);
    const nextMs = timers.nextMs();
    if (nextMs === undefined) return;
    wake = setTimeout(fire, Math.min(LONGEST_DELAY_MS, Math.max(0, nextMs - now())));
  };
  const fire = () => {
    for (let due = timers.take(now()); due !== undefined; due = timers.take(now())) due();
    arm();
  };
  return {
    now,
    at(timeMs, callback) {
      const cancel = timers.add(timeMs, callback);
      if (timers.nextMs() === timeMs) arm();
      return () => {
        cancel();
        // A process that waits for nothing else is to end.
        if (timers.nextMs() === undefined) clearTimeout(wake);
      };
    },
  };
}
