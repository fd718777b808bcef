import type { Prediction } from '../../events/index.ts';

/** The states of a VM's machine (`decide/machine.ts` describes each). Stored, and a label of metrics: never renamed. */
export type VmState = 'idle' | 'settled' | 'drifting' | 'moving' | 'cooling' | 'backing-off' | 'evacuating';

/** Who wants a move: the policy, an evacuation of a lost home, or an operator. */
export type DecisionSource = 'policy' | 'evacuation' | 'operator';

/**
 * The context of a VM's machine, as xstate uses the word: what it remembers beside its state. JSON; stored as `mind`
 * (`kept-vm.ts`).
 */
export interface VmContext {
  readonly vm: string;
  /** Number of the last decision. */
  readonly seq: number;
  /** End of the cooldown, in ms since the epoch; null in states that are none. */
  readonly deadlineMs: number | null;
  /** The move under way. */
  readonly move: MoveUnderWay | null;
  /** Moves that failed one after the other. */
  readonly failures: number;
}

/** A move that was ordered and has not ended. It counts against the limits of both sites and of its paths. */
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
  /** When the order is cancelled unless a migrator has accepted it; null: one has. */
  readonly giveUpAtMs: number | null;
}

/** The context of a VM that was just declared. @param seq number of the last decision on an earlier VM of that name, or 0 */
export function newVmContext(vm: string, seq: number): VmContext {
  return { vm, seq, deadlineMs: null, move: null, failures: 0 };
}
