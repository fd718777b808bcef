/** The run of a move: its state in the process that carries it out, and the context of its steps. */
import type { Phase } from '../../events/index.ts';
import { NOTHING_MEASURED } from '../../model/measured.ts';
import type { Path } from '../../model/paths.ts';
import type { Measured, Move } from '../hypervisor.ts';
import { type BothEnds, measure } from './both-ends.ts';
import type { AgentClient } from './client.ts';

/** The state of a move in this process. It is not persisted: after a restart the agents have the facts. */
export interface Run {
  readonly move: Move;
  readonly source: AgentClient;
  readonly destination: AgentClient;
  /** The paths that both sites have, the preferred one first. */
  paths: readonly Path[];
  underWay: Phase | undefined;
  /** True once the move is released. */
  isOver: boolean;
  /** Why the driver ended the VM at its destination. */
  endedBecause?: string;
  /** When the last order or query for this move came, by this process's clock. */
  touchedAtMs: number;
  measured: Measured;
  /** Bytes sent before the move was retargeted to another path. */
  earlier: Pick<Measured, 'bytes' | 'bytesByPath'>;
  /** Its abort ends all orders and reports of the step under way. */
  stop: AbortController;
}

/** The settings for all moves. Times are in milliseconds. */
export interface DriverRules {
  /**
   * When the guest's new address is announced: `before` the VM moves (make before break), or `after`, as in the paper
   * (SEC'17, 10.1145/3132211.3134445).
   */
  readonly announce: 'before' | 'after';
  /** Time that clients have to join the new address. */
  readonly joinMs: number;
  /** A copy that sends no byte for this time is retargeted to another path; the move fails if there is none. */
  readonly stallMs: number;
  /** True: a guest whose dirty rate exceeds the paths may be resumed before all of its memory has arrived. */
  readonly postCopy: boolean;
  /** Rounds of pre-copy after which the VM is stopped by force, or post-copy begins, or the move fails. */
  readonly maxRounds: number;
  /** The longest pause that a forced stop may cause. */
  readonly maxPauseMs: number;
}

/** The context of a step: the run, the settings, and functions for requests, reports and the log. */
export interface StepContext {
  readonly run: Run;
  /** Both ends as they were when the step began. */
  readonly ends: BothEnds;
  readonly rules: DriverRules;
  /** Retries a request while its agent is unreachable. @throws Cancelled */
  patiently<T>(work: () => Promise<T>): Promise<T>;
  /** Queries both agents, and updates the totals of the run. @throws Cancelled */
  ask(): Promise<BothEnds>;
  /** Reports the progress of a copy. */
  progress(remainingBytes: number, rateBps: number): void;
  /** Logs a decision with its figures. */
  log(figures: object, what: string): void;
}

/** The run of a move before its first step. */
export function newRun(parts: Pick<Run, 'move' | 'source' | 'destination' | 'paths'>): Run {
  return {
    ...parts,
    underWay: undefined,
    isOver: false,
    touchedAtMs: Date.now(),
    measured: NOTHING_MEASURED,
    earlier: NOTHING_MEASURED,
    stop: new AbortController(),
  };
}

/** Queries the agents of both sites for the state of the VM. */
export async function askBothEnds({ source, destination, move }: Run): Promise<BothEnds> {
  const [here, there] = await Promise.all([source.instance(move.vm), destination.instance(move.vm)]);
  return { source: here.instance, destination: there.instance };
}

/** Updates the totals of a run with the figures of both ends. @returns the totals */
export function updateMeasured(run: Run, ends: BothEnds): Measured {
  const clocks = { source: run.source.clockAheadMs, destination: run.destination.clockAheadMs };
  // A source that takes part in a later move reports figures of that move, not of this one.
  const own = ends.source?.migration === run.move.id ? ends.source : undefined;
  run.measured = measure(run.measured, { ...ends, source: own }, run.paths, clocks, run.earlier);
  return run.measured;
}
