/** A move as one process carries it out, and what its steps have at hand. */
import type { Phase } from '../../events/index.ts';
import type { Path } from '../../model/paths.ts';
import type { Measured, Move } from '../hypervisor.ts';
import type { AgentClient } from './client.ts';
import type { Survey } from './survey.ts';

/** A move as this process carries it out. */
export interface Run {
  readonly move: Move;
  readonly source: AgentClient;
  readonly destination: AgentClient;
  /** The preferred one first. */
  paths: readonly Path[];
  underWay: Phase | undefined;
  /** Released: nothing more is to come of it. */
  isOver: boolean;
  /** Why its VM was ended at its destination. */
  died?: string;
  /** When it was last asked for anything. */
  touchedAtMs: number;
  measured: Measured;
  /** What was sent before it was begun again over another path. */
  earlier: Pick<Measured, 'bytes' | 'bytesByPath'>;
  /** Aborted: nothing more is ordered, nothing more is reported. */
  stop: AbortController;
}

/** How moves are carried out. */
export interface DriverRules {
  /**
   * When the guest's new address is announced: `before` the VM moves (make before break), or `after`, as in the paper.
   */
  readonly announce: 'before' | 'after';
  /** How long clients have to join the new address. */
  readonly joinMs: number;
  /** A copy that moves no byte for so long is begun again over another path, or given up. */
  readonly stallMs: number;
  /** Whether a guest that writes faster than the paths carry may be resumed before all of its memory is there. */
  readonly postCopy: boolean;
  readonly maxRounds: number;
  readonly maxPauseMs: number;
}

/** What a step has at hand. */
export interface StepWorld {
  readonly run: Run;
  /** What was true when the step began. */
  readonly survey: Survey;
  readonly rules: DriverRules;
  /** Does something again while an agent does not answer. */
  patiently<T>(work: () => Promise<T>): Promise<T>;
  /** Asks both agents, and measures. */
  look(): Promise<Survey>;
  progress(remainingBytes: number, rateBps: number): void;
}
