import type { Cancel } from '../../clock/clock.ts';
import { PHASES, type Phase } from '../../events/index.ts';
import type { Measured, Move } from '../hypervisor.ts';
import type { Route } from './fluid.ts';

const FORCED_STOP = 'forced-stop';

/** A move as far as it has come. Kept after its end, until the VM's next move: `inspect` may still ask. */
export interface ActiveMove {
  readonly move: Move;
  readonly route: Route;
  readonly rttMs: number;
  /** How many of the steps are done, in order. */
  done: number;
  underWay: Phase | undefined;
  /** How many steps were begun, those included that were begun anew. */
  begun: number;
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
  /** The totals as they were last asked for. */
  measured: Measured | undefined;
}

/** A move of which nothing is done yet. */
export function activeMove(move: Move, route: Route, rttMs: number): ActiveMove {
  return {
    move,
    route,
    rttMs,
    done: 0,
    underWay: undefined,
    begun: 0,
    cancel: undefined,
    slowdown: 1,
    rounds: 0,
    forcedStop: false,
    dirtySinceMs: 0,
    stoppedMs: 0,
    pauseMs: 0,
    measured: undefined,
  };
}

/** True: the step was carried out. */
export function isDone(active: ActiveMove, step: Phase): boolean {
  return PHASES.indexOf(step) < active.done;
}

/** The move's totals; the route must be settled. The same object as before where nothing has come to it since. */
export function measuredOf(active: ActiveMove): Measured {
  const { route, pauseMs, rounds, forcedStop, measured: last } = active;
  let bytes = 0;
  for (const { sentBytes } of route.subflows) bytes += sentBytes;
  const same =
    last !== undefined &&
    last.bytes === bytes &&
    last.pauseMs === pauseMs &&
    last.rounds === rounds &&
    last.subflows === route.fewestSubflows &&
    last.degraded.includes(FORCED_STOP) === forcedStop;
  if (same) return last;
  const measured = totals(active, bytes);
  active.measured = measured;
  return measured;
}

function totals({ route, pauseMs, rttMs, rounds, forcedStop }: ActiveMove, bytes: number): Measured {
  const bytesByPath: Record<string, number> = {};
  for (const { path, sentBytes } of route.subflows) bytesByPath[path] = sentBytes;
  const degraded: string[] = [];
  if (route.fewestSubflows === 1) degraded.push('single-path');
  if (forcedStop) degraded.push(FORCED_STOP);
  return {
    pauseMs,
    // A packet that just missed the VM is sent again after a round trip.
    interruptionMs: pauseMs === 0 ? 0 : pauseMs + rttMs,
    bytes,
    bytesByPath,
    rounds,
    subflows: route.fewestSubflows,
    degraded,
  };
}
