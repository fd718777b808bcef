import type { Phase } from '../../events/index.ts';
import type { Move } from '../hypervisor.ts';

/**
 * A fault injected into one step of one move.
 * - `fail`: the step does nothing and fails after `afterMs`. A `switch` stops the VM at once, and resumes it at the source when it
 *   fails.
 * - `hang`: the step never ends. A `switch` leaves the VM stopped until the move is aborted.
 * - `slow`: from this step on, `factor` divides the move's share of every path.
 */
export type Fault =
  | { readonly kind: 'fail'; readonly code: string; readonly reason: string; readonly afterMs: number }
  | { readonly kind: 'hang' }
  | { readonly kind: 'slow'; readonly factor: number };

/** The fault to inject; undefined: none. Called once each time a step begins, repetitions included. */
export type Faults = (move: Move, step: Phase) => Fault | undefined;
