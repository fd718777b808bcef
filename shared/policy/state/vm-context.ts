import type { Prediction } from '../../events/index.ts';

export type VmState = 'idle' | 'settled' | 'drifting' | 'moving' | 'cooling' | 'backing-off' | 'evacuating';

export type DecisionSource = 'policy' | 'evacuation' | 'operator';

/** What a VM's machine remembers. JSON. */
export interface VmContext {
  readonly vm: string;
  /** Number of the last decision. */
  readonly seq: number;
  /** When the pause is over, in the states that are one. */
  readonly deadlineMs: number | null;
  /** The move under way. */
  readonly move: MoveUnderWay | null;
  /** Moves that failed one after the other. */
  readonly failures: number;
}

export interface MoveUnderWay {
  readonly decision: string;
  readonly from: string;
  readonly to: string;
  readonly source: DecisionSource;
  /** Ids of the paths it was ordered on. */
  readonly paths: readonly string[];
  /** The model's prediction before the pair's correction: what the measurement is compared with. */
  readonly raw: Pick<Prediction, 'durationMs' | 'interruptionMs'>;
  readonly switched: boolean;
  readonly cancelling: boolean;
  /** When the order is called off unless somebody has accepted it; null: somebody has. */
  readonly giveUpAtMs: number | null;
}

/** The context of a VM that was just declared. `seq`: the last decision of an earlier VM of that name, or 0. */
export function newVmContext(vm: string, seq: number): VmContext {
  return { vm, seq, deadlineMs: null, move: null, failures: 0 };
}
