import type { Data } from '../events/index.ts';
import type { Lesson } from './state/sites.ts';
import type { Vm } from './state/state.ts';

/** The output of the policy's core: everything that changed since the last `drain`. */
export interface PlacementOutput {
  /** VMs to persist; `retired` is true for retired ones. */
  readonly vms: readonly Vm[];
  /** Samples of completed moves, each to be added to the correction of its pair. */
  readonly lessons: readonly Lesson[];
  /** Decisions to publish, in the order they were made. */
  readonly decisions: readonly Data<'placement.decided.v1'>[];
}

/** The output if nothing has changed. */
export const NO_OUTPUT: PlacementOutput = { vms: [], lessons: [], decisions: [] };
