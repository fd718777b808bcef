import type { Cancel } from '../../clock/clock.ts';
import { PHASES, type Phase } from '../../events/index.ts';
import type { Measured, Move } from '../hypervisor.ts';
import type { Route } from './fluid.ts';

const FORCED_STOP = 'forced-stop';

/** The state of a move. It is retained after the end of the move, until the VM's next move, for a later `inspect`. */
export interface ActiveMove {
  readonly move: Move;
  readonly route: Route;
  readonly rttMs: number;
  /** The number of steps that are done; steps are done in the order of `PHASES`. */
  done: number;
  underWay: Phase | undefined;
  /** The number of steps begun so far, repetitions included. */
  begun: number;
  /** Cancels the timer or the transfer that the step under way waits for. */
  cancel: Cancel | undefined;
  /** Divides the share of every path that the move gets. */
  slowdown: number;
  rounds: number;
  forcedStop: boolean;
  /** When the last round of pre-copy began. The pages dirtied since then are still to be sent. */
  dirtySinceMs: number;
  /** When the VM was last stopped for the switch-over. */
  stoppedAtMs: number;
  /** The longest time for which the VM was stopped. */
  pauseMs: number;
  /** The totals that `measuredOf` returned last. */
  measured: Measured | undefined;
}

/** A move before its first step. @param rttMs round-trip time between both sites */
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
    stoppedAtMs: 0,
    pauseMs: 0,
    measured: undefined,
  };
}

/** True if the step is done. */
export function isDone(active: ActiveMove, step: Phase): boolean {
  return PHASES.indexOf(step) < active.done;
}

/** The totals of a move. The route must be settled. Returns the previous object if nothing has changed since. */
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
    // TCP retransmits a packet that just missed the VM after about a round trip.
    interruptionMs: pauseMs === 0 ? 0 : pauseMs + rttMs,
    bytes,
    bytesByPath,
    rounds,
    subflows: route.fewestSubflows,
    degraded,
  };
}
