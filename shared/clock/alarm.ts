import type { Clock } from './clock.ts';

/**
 * A timer that can be set again.
 * @param ring runs when the timer expires
 * @returns sets the timer to an instant, in milliseconds since the Unix epoch; undefined and Infinity clear it
 */
export function alarm(clock: Clock, ring: () => void): (atMs: number | undefined) => void {
  let setForMs: number | undefined;
  let cancel = () => {};
  const due = () => {
    setForMs = undefined;
    ring();
  };
  return (atMs) => {
    if (atMs === setForMs) return;
    cancel();
    setForMs = atMs;
    if (atMs === undefined || !Number.isFinite(atMs)) return;
    cancel = clock.at(atMs, due);
  };
}
