import type { LimitsConfig, PlausibilityLimits } from '../config/schema.ts';
import type { EvaluationSettings } from './evaluate/evaluator.ts';

/** What the policy's core is configured with. */
export interface PlacementSettings extends EvaluationSettings {
  readonly limits: LimitsConfig;
  readonly plausibility: PlausibilityLimits;
  /** False: decisions come without their candidates. To collect these costs as much as deciding. @default true */
  readonly explains?: boolean;
}
