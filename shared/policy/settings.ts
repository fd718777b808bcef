import type { LimitsConfig, PlausibilityLimits } from '../config/schema.ts';
import type { EvaluationSettings } from './evaluate/evaluator.ts';

/** The settings of the policy's core. */
export interface PlacementSettings extends EvaluationSettings {
  readonly limits: LimitsConfig;
  readonly plausibility: PlausibilityLimits;
  /** False: decisions have no candidates in their explanation. Collecting them costs as much as deciding. @default true */
  readonly explains?: boolean;
}
