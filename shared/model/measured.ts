import type { Measured } from '../hypervisor/hypervisor.ts';

/** The totals of a migration before its first step. */
export const NOTHING_MEASURED: Measured = {
  pauseMs: 0,
  interruptionMs: 0,
  bytes: 0,
  bytesByPath: {},
  rounds: 0,
  subflows: 0,
  degraded: [],
};
