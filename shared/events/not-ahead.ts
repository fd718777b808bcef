import type { Fact } from './types.ts';

/** Sets the time of a fact to `nowMs` if its sender's clock is ahead: the time of a VM must not pass the time of the process. */
export function notAhead<F extends Fact>(fact: F, nowMs: number): F {
  return fact.data.atMs > nowMs ? { ...fact, data: { ...fact.data, atMs: nowMs } } : fact;
}
