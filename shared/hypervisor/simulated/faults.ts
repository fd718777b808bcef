import type { Phase } from '../../events/index.ts';
import type { Move } from '../hypervisor.ts';

/**
 * What goes wrong with one step of one move.
 * - `fail`: the step does nothing and fails after `afterMs`. A `switch` stops the VM at once and lets it run on at the
 *   source when it fails.
 * - `hang`: the step is never answered. A `switch` leaves the VM stopped until the move is aborted.
 * - `slow`: from this step on the move gets only its share of every path divided by `factor`.
 */
export type Fault =
  | { readonly kind: 'fail'; readonly code: string; readonly reason: string; readonly afterMs: number }
  | { readonly kind: 'hang' }
  | { readonly kind: 'slow'; readonly factor: number };

/** Asked once for each step that begins, again when a failed one begins again. */
export type Faults = (move: Move, step: Phase) => Fault | undefined;
