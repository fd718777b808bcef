import type { Cancel } from '../../clock/clock.ts';
import { PHASES, type Phase } from '../../events/index.ts';
import type { Measured, Move } from '../hypervisor.ts';
import type { Route } from './fluid.ts';

/** A move as far as it has come. Kept after its end, until the VM's next move: `inspect` may still ask. */
export interface ActiveMove {
  readonly move: Move;
  readonly route: Route;
  readonly rttMs: number;
  /** How many of the steps are done, in order. */
  done: number;
  underWay: Phase | undefined;
  /** Takes back what the step under way waits for: a time or a transfer. */
  cancel: Cancel | undefined;
  slowdown: number;
  rounds: number;
  forcedStop: boolean;
  /** Since when the memory that the destination has not got is being dirtied. */
  dirtySinceMs: number;
  /** Since when the VM is stopped for the switch-over. */
  stoppedMs: number;
  /** The longest time that the VM was stopped. */
  pauseMs: number;
}

/** A move of which nothing is done yet. */
export function activeMove(move: Move, route: Route, rttMs: number): ActiveMove {
  return {
    move,
    route,
    rttMs,
    done: 0,
    underWay: undefined,
    cancel: undefined,
    slowdown: 1,
    rounds: 0,
    forcedStop: false,
    dirtySinceMs: 0,
    stoppedMs: 0,
    pauseMs: 0,
  };
}

/** True: the step was carried out. */
export function isDone(active: ActiveMove, step: Phase): boolean {
  return PHASES.indexOf(step) < active.done;
}

/** The move's totals; the route must be settled. */
export function measuredOf(active: ActiveMove): Measured {
  const { route, pauseMs } = active;
  let bytes = 0;
  const bytesByPath: Record<string, number> = {};
  for (const { path, sentBytes } of route.subflows) {
    bytes += sentBytes;
    bytesByPath[path] = sentBytes;
  }
  const degraded: string[] = [];
  if (route.fewestSubflows === 1) degraded.push('single-path');
  if (active.forcedStop) degraded.push('forced-stop');
  return {
    pauseMs,
    // A packet that just missed the VM is sent again after a round trip.
    interruptionMs: pauseMs === 0 ? 0 : pauseMs + active.rttMs,
    bytes,
    bytesByPath,
    rounds: active.rounds,
    subflows: route.fewestSubflows,
    degraded,
  };
}
