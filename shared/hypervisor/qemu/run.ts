/** A move as one process carries it out, and what its steps have at hand. */
import type { Phase } from '../../events/index.ts';
import { NOTHING_MEASURED } from '../../model/measured.ts';
import type { Path } from '../../model/paths.ts';
import type { Measured, Move } from '../hypervisor.ts';
import { type BothEnds, measure } from './both-ends.ts';
import type { AgentClient } from './client.ts';

/** A move as this process carries it out. Nothing of it has to outlive the process. */
export interface Run {
  readonly move: Move;
  readonly source: AgentClient;
  readonly destination: AgentClient;
  /** The paths that both sites have, the preferred one first. */
  paths: readonly Path[];
  underWay: Phase | undefined;
  /** Released: nothing more follows. */
  isOver: boolean;
  /** Why the driver ended the VM at its destination. */
  endedBecause?: string;
  /** When it was last asked for anything, by this process's clock. */
  touchedAtMs: number;
  measured: Measured;
  /** What was sent before the move was begun again over another path. */
  earlier: Pick<Measured, 'bytes' | 'bytesByPath'>;
  /** Aborted: no more orders, no more reports. */
  stop: AbortController;
}

/** How moves are carried out. Times are in milliseconds. */
export interface DriverRules {
  /**
   * When the guest's new address is announced: `before` the VM moves (make before break), or `after`, as in the paper
   * (SEC'17, 10.1145/3132211.3134445).
   */
  readonly announce: 'before' | 'after';
  /** How long clients have to join the new address. */
  readonly joinMs: number;
  /** A copy that sends no byte for so long is begun again over another path, or given up. */
  readonly stallMs: number;
  /** Whether a guest that writes faster than the paths carry may be resumed before all of its memory has arrived. */
  readonly postCopy: boolean;
  /** After so many rounds of pre-copy the VM is stopped by force, finished by post-copy, or the move is given up. */
  readonly maxRounds: number;
  /** The longest pause that force may cost. */
  readonly maxPauseMs: number;
}

/** What a step has at hand. */
export interface StepContext {
  readonly run: Run;
  /** Both ends as they were when the step began. */
  readonly ends: BothEnds;
  readonly rules: DriverRules;
  /** Repeats a request to an agent while that is unreachable. @throws Cancelled */
  patiently<T>(work: () => Promise<T>): Promise<T>;
  /** Asks both agents, and updates what was measured. @throws Cancelled */
  ask(): Promise<BothEnds>;
  /** Reports how far a copy is. */
  progress(remainingBytes: number, rateBps: number): void;
  /** Logs a decision with its figures. */
  log(figures: object, what: string): void;
}

/** A move of which nothing has been done yet. */
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

/** Asks the agents of both sites about the VM. */
export async function askBothEnds({ source, destination, move }: Run): Promise<BothEnds> {
  const [here, there] = await Promise.all([source.instance(move.vm), destination.instance(move.vm)]);
  return { source: here.instance, destination: there.instance };
}

/** Adds what both ends say to the totals of a run. @returns the totals */
export function updateMeasured(run: Run, ends: BothEnds): Measured {
  const clocks = { source: run.source.clockAheadMs, destination: run.destination.clockAheadMs };
  // A source that is gone, or takes part in a later move, says nothing about this one.
  const own = ends.source?.migration === run.move.id ? ends.source : undefined;
  run.measured = measure(run.measured, { ...ends, source: own }, run.paths, clocks, run.earlier);
  return run.measured;
}
