import type { Fact } from './types.ts';

/** A fact as of now where its sender's clock is ahead of ours: no VM's clock may go past the process's. */
export function notAhead<F extends Fact>(fact: F, nowMs: number): F {
  return fact.data.atMs > nowMs ? { ...fact, data: { ...fact.data, atMs: nowMs } } : fact;
}
