/** The events of a VM's machine (`machine.ts`), and the parameters of its decisions. */
import type { Evaluation } from '../evaluate/evaluation.ts';
import type { Choice } from '../evaluate/weighed.ts';
import type { DecisionSource, VmContext } from '../state/vm-context.ts';

/** The events of the machine: the result of an evaluation (`evaluated`), an operator's order, and facts of the VM's migration. */
export type MachineEvent =
  | { readonly type: 'evaluated'; readonly atMs: number; readonly evaluation: Evaluation }
  | { readonly type: 'ordered'; readonly atMs: number; readonly choice: Choice }
  | { readonly type: 'accepted'; readonly atMs: number; readonly decision: string }
  | { readonly type: 'switched'; readonly atMs: number; readonly decision: string }
  | { readonly type: 'completed'; readonly atMs: number; readonly decision: string }
  | { readonly type: 'failed'; readonly atMs: number; readonly decision: string }
  | { readonly type: 'cancelled'; readonly atMs: number; readonly decision: string };

/** The parameters of the action `decide`: a decision to publish. Its number is `seq` of the context after the transition. */
export interface DecideParams {
  readonly verdict: 'move' | 'stay' | 'cancel';
  readonly choice?: Choice | undefined;
  readonly source: DecisionSource;
  readonly reason: string;
}

/** The arguments of guards and actions: the context before the transition, and the event. */
export interface Args {
  readonly context: VmContext;
  readonly event: MachineEvent;
}

/** The evaluation of the event `evaluated`. */
export const evaluationOf = ({ event }: Args): Evaluation =>
  (event as Extract<MachineEvent, { type: 'evaluated' }>).evaluation;
