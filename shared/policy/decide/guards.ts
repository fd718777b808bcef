/** The guards of a VM's machine, and the check that answers most evaluations without a step of the machine. */
import type { Evaluation } from '../evaluate/evaluation.ts';
import type { VmContext, VmState } from '../state/vm-context.ts';
import { type Args, evaluationOf } from './machine-events.ts';

// The machine shares these with `wouldNotTransition`: a context and an evaluation in, true or false out.
const isHomeLost = (evaluation: Evaluation) => evaluation.homeLost !== null;
const isReady = ({ advice }: Evaluation, atMs: number) => advice.kind === 'move' && atMs >= advice.readyAtMs;
/** A site would serve better. The move may be too early, or a filter may refuse it. */
const isBetter = ({ advice }: Evaluation) => advice.kind !== 'stay';
const isOver = ({ deadlineMs }: VmContext, atMs: number) => deadlineMs !== null && atMs >= deadlineMs;
/** The users have turned back, or what other VMs do speaks against the move. */
const isOvertaken = ({ move }: VmContext, { targetGain, callOff }: Evaluation) =>
  move !== null &&
  !move.switched &&
  !move.cancelling &&
  (callOff !== undefined || (move.source === 'policy' && targetGain < 0));
const isUnanswered = ({ move }: VmContext, atMs: number) =>
  move !== null && move.giveUpAtMs !== null && atMs >= move.giveUpAtMs;

/**
 * True if an evaluation would change neither the state nor the context of the machine. This holds for most evaluations, and the
 * check costs about a fiftieth of a step. machine.test.ts compares it with the machine on random contexts and evaluations.
 */
export function wouldNotTransition(state: VmState, context: VmContext, evaluation: Evaluation, atMs: number): boolean {
  switch (state) {
    case 'idle':
      return !isHomeLost(evaluation) && !evaluation.populated;
    case 'settled':
      return !isHomeLost(evaluation) && evaluation.populated && !isBetter(evaluation);
    case 'drifting':
      return !isHomeLost(evaluation) && evaluation.populated && isBetter(evaluation) && !isReady(evaluation, atMs);
    case 'moving':
      return !isOvertaken(context, evaluation) && !isUnanswered(context, atMs);
    case 'cooling':
      return !isHomeLost(evaluation) && !isOver(context, atMs);
    case 'backing-off':
      return !isOver(context, atMs);
    case 'evacuating':
      return isHomeLost(evaluation) && evaluation.refuge === undefined;
  }
}

/** The guards by the names that the machine's states use. */
export const guards = {
  isHomeLost: (args: Args) => isHomeLost(evaluationOf(args)),
  isHomeFit: (args: Args) => !isHomeLost(evaluationOf(args)),
  isPopulated: (args: Args) => evaluationOf(args).populated,
  isUnpopulated: (args: Args) => !evaluationOf(args).populated,
  isBetter: (args: Args) => isBetter(evaluationOf(args)),
  isNotBetter: (args: Args) => !isBetter(evaluationOf(args)),
  isReady: (args: Args) => isReady(evaluationOf(args), args.event.atMs),
  hasRefuge: (args: Args) => evaluationOf(args).refuge !== undefined,
  isOver: ({ context, event }: Args) => isOver(context, event.atMs),
  isOvertaken: (args: Args) => isOvertaken(args.context, evaluationOf(args)),
  isUnanswered: ({ context, event }: Args) => isUnanswered(context, event.atMs),
  isOwnMove: ({ context, event }: Args) => 'decision' in event && context.move?.decision === event.decision,
};
