import type { Data } from '../events/index.ts';
import type { Lesson } from './state/sites.ts';
import type { Vm } from './state/state.ts';

/** What the policy's core hands out: everything that changed since the last `drain`. */
export interface PlacementOutput {
  /** VMs to write; retired ones have `retired`. */
  readonly vms: readonly Vm[];
  /** What completed moves taught about the paths between two sites: each is added to the pair's correction. */
  readonly lessons: readonly Lesson[];
  /** Decisions to publish, in the order they were made. */
  readonly decisions: readonly Data<'placement.decided.v1'>[];
}

/** The output where nothing changed. */
export const NO_OUTPUT: PlacementOutput = { vms: [], lessons: [], decisions: [] };
