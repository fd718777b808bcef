import type { Measured } from '../hypervisor/hypervisor.ts';

/** The totals of a move of which nothing has been done. */
export const NOTHING_MEASURED: Measured = {
  pauseMs: 0,
  interruptionMs: 0,
  bytes: 0,
  bytesByPath: {},
  rounds: 0,
  subflows: 0,
  degraded: [],
};
