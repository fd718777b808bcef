import type { Clock } from './clock.ts';

/** One timer that can be moved. The result sets it to a time, in milliseconds since the epoch, or clears it (undefined, Infinity). */
export function alarm(clock: Clock, ring: () => void): (atMs: number | undefined) => void {
  let setForMs: number | undefined;
  let cancel = () => {};
  return (atMs) => {
    if (atMs === setForMs) return;
    cancel();
    setForMs = atMs;
    if (atMs === undefined || !Number.isFinite(atMs)) return;
    cancel = clock.at(atMs, () => {
      setForMs = undefined;
      ring();
    });
  };
}
