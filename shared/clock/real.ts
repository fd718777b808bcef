import type { Clock } from './clock.ts';
import { TimerQueue } from './timer-queue.ts';

/** The longest delay `setTimeout` takes: 2^31 - 1 ms, about 25 days. */
const LONGEST_DELAY_MS = 2_147_483_647;

/**
 * The machine's clock. It stands still where the machine's clock is set back, because the order of events matters more than the
 * time of day. A process that waits for no callback can end.
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
        // Without a callback the process can end.
        if (timers.nextMs() === undefined) clearTimeout(wake);
      };
    },
  };
}
