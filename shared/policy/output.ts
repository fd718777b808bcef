import type { Data } from '../events/index.ts';
import type { VmStays } from './state/ended-stays.ts';
import type { Lesson } from './state/sites.ts';
import type { Vm } from './state/state.ts';

/** The output of the policy's core: everything that changed since the last `drain`. */
export interface PlacementOutput {
  /** VMs to persist; `retired` is true for retired ones. */
  readonly vms: readonly Vm[];
  /** Samples of completed moves, each to be added to the correction of its pair. */
  readonly lessons: readonly Lesson[];
  /** Stays that ended in periods that are over: to be counted and published (`batchesOf`), in order of the periods. */
  readonly stays: readonly VmStays[];
  /** Decisions to publish, in the order they were made. */
  readonly decisions: readonly Data<'placement.decided.v1'>[];
}

/** The output if nothing has changed. */
const NO_OUTPUT: PlacementOutput = { vms: [], lessons: [], stays: [], decisions: [] };

/** Collects the output of a core between two calls of `drain`. */
export class CollectedOutput {
  readonly lessons: Lesson[] = [];
  readonly decisions: Data<'placement.decided.v1'>[] = [];
  #changed: Vm[] = [];

  /** Adds a VM that has changed. */
  change(vm: Vm): void {
    if (vm.changed) return;
    vm.changed = true;
    this.#changed.push(vm);
  }

  /** Everything since the last call. @param stays those that ended in periods that are over */
  drain(stays: readonly VmStays[]): PlacementOutput {
    const vms = this.#changed;
    if (vms.length === 0 && stays.length === 0) return NO_OUTPUT;
    for (const vm of vms) vm.changed = false;
    this.#changed = [];
    // Usually there are neither lessons nor decisions: then no array is allocated.
    const lessons = this.lessons.length > 0 ? this.lessons.splice(0) : NO_OUTPUT.lessons;
    const decisions = this.decisions.length > 0 ? this.decisions.splice(0) : NO_OUTPUT.decisions;
    return { vms, lessons, stays, decisions };
  }
}
