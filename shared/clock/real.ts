import type { Clock } from './clock.ts';
import { TimerQueue } from './timer-queue.ts';

/** The longest delay that `setTimeout` accepts: 2^31 - 1 ms, about 25 days. */
const LONGEST_DELAY_MS = 2_147_483_647;

/**
 * The machine's clock. If somebody sets the machine's clock back, this clock stands still until it is reached again: the order of
 * events matters more than the time of day. The clock keeps the process alive only while a callback waits.
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
        // No callback waits any more, so the process may end.
        if (timers.nextMs() === undefined) clearTimeout(wake);
      };
    },
  };
}
