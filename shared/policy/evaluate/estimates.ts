/** Predictions of moves, and their prices. */
import type { PolicyConfig } from '../../config/schema.ts';
import type { VmSpec } from '../../events/index.ts';
import { type MoveModel, type PredictedMove, predictMove } from '../../model/move-model.ts';
import type { Pair } from '../state/state.ts';
import { moveCostUserMs } from './price.ts';

/** The settings of predictions and prices. */
export interface EstimateSettings {
  readonly move: MoveModel;
  readonly policy: Pick<PolicyConfig, 'slowdownUserMsPerS' | 'priceUserMsPerGb'>;
}

/** Predicts moves (`model/move-model.ts`) and prices them, corrected by the measured moves of their pair. */
export class Estimates {
  readonly #settings: EstimateSettings;

  constructor(settings: EstimateSettings) {
    this.#settings = settings;
  }

  /** The prediction for a VM of this size, before the pair's correction. */
  predict(spec: VmSpec, pair: Pair): PredictedMove {
    // Most calls for a pair have the same spec as the last one: VMs of one size, or the same drifting VM.
    if (pair.predicted?.spec !== spec) {
      pair.predicted = { spec, move: predictMove(this.#settings.move, spec, pair.paths, pair.rttMs) };
    }
    return pair.predicted.move;
  }

  /**
   * The price of a predicted move, corrected by the pair's measured moves, in user-milliseconds.
   * @param weight sum of the weights of the users
   */
  costUserMs({ correction }: Pair, predicted: PredictedMove, weight: number): number {
    return moveCostUserMs(this.#settings.policy, weight, {
      interruptionMs: predicted.interruptionMs * correction.interruption,
      durationMs: predicted.durationMs * correction.duration,
      bytes: predicted.bytes,
    });
  }
}
