import type { Prediction } from '../../events/index.ts';

/** The states of a VM's machine (`decide/machine.ts` describes each). Stored, and a label of metrics: never renamed. */
export const VM_STATES = ['idle', 'settled', 'drifting', 'moving', 'cooling', 'backing-off', 'evacuating'] as const;
/** A state of a VM's machine. */
export type VmState = (typeof VM_STATES)[number];

/** The source of a decision: the policy, an evacuation of a lost home, or an operator. */
export type DecisionSource = 'policy' | 'evacuation' | 'operator';

/**
 * The context of a VM's machine, as xstate uses the word: its data beside the state. JSON; stored as `mind` (`kept-vm.ts`).
 */
export interface VmContext {
  readonly vm: string;
  /** Number of the last decision. */
  readonly seq: number;
  /** End of the cooldown, in ms since the epoch; null in states that are no cooldown. */
  readonly deadlineMs: number | null;
  /** The move under way. */
  readonly move: MoveUnderWay | null;
  /** Number of moves that failed in a row. */
  readonly failures: number;
}

/** A move that was ordered and has not ended. It counts against the limits of both sites and of its paths. */
export interface MoveUnderWay {
  readonly decision: string;
  readonly from: string;
  readonly to: string;
  readonly source: DecisionSource;
  /** The name of its orderer, or the drain that caused it. */
  readonly orderedBy?: string;
  /** Ids of the paths on which it was ordered. */
  readonly paths: readonly string[];
  readonly orderedAtMs: number;
  /** Its users' cost of a second of delay, in user-milliseconds. */
  readonly delayUserMsPerS: number;
  /** True: it has had to share an uplink with another move, so that its times teach nothing about the paths. */
  readonly shared: boolean;
  /**
   * The model's prediction of the move alone, before the pair's correction. The measured times are compared with it: only moves that
   * shared nothing teach.
   */
  readonly raw: Pick<Prediction, 'durationMs' | 'interruptionMs'>;
  readonly switched: boolean;
  readonly cancelling: boolean;
  /** When the order is cancelled if no migrator accepts it, in ms since the epoch; null: a migrator has accepted it. */
  readonly giveUpAtMs: number | null;
}

/** The context of a new VM. @param seq number of the last decision on an earlier VM of that name, or 0 */
export function newVmContext(vm: string, seq: number): VmContext {
  return { vm, seq, deadlineMs: null, move: null, failures: 0 };
}
