/** Builds the event of a decision, its explanation, and the error of a refused order. */
import { TagalongError } from '../../errors.ts';
import type { Data, Explanation } from '../../events/index.ts';
import type { EvaluationSummary } from '../evaluate/summary.ts';
import type { Vm } from '../state/state.ts';
import type { DecideParams } from './machine-events.ts';
import { type Explained, refusalEnd, refusalWords } from './words.ts';

/** The event of a decision. Its id is the VM's name and the number, so a repeated computation gives the same id. */
export function decisionEvent(
  vm: Vm,
  { verdict, choice, source, reason }: DecideParams,
  seq: number,
  atMs: number,
  explanation: Explanation,
  orderedBy?: string,
): Data<'placement.decided.v1'> {
  const { move } = vm.context;
  return {
    decision: `${vm.id}:${seq}`,
    vm: vm.id,
    seq,
    atMs,
    verdict,
    from: vm.home.id,
    to: choice?.site ?? move?.to ?? vm.home.id,
    reason,
    source,
    ...(orderedBy !== undefined && { orderedBy }),
    ...(choice && { prediction: choice.prediction }),
    ...(verdict !== 'stay' && { spec: vm.spec }),
    ...(verdict === 'cancel' && move && { cancels: move.decision }),
    explanation,
  };
}

/** Reasons that rest on the users' absence. */
const REASONS_OF_ABSENCE = new Set(['users-quiet', 'users-left']);

/** The explanation of a VM's placement. */
export function explanation(vm: Vm, policy: string, reason: string, summary: EvaluationSummary): Explanation {
  return {
    state: vm.state,
    policy,
    reason,
    sessions: summary.sessions,
    homeServingUserMsPerS: summary.home,
    expectedStayMs: summary.expectedStayMs,
    oldestFixAgeMs: summary.oldestFixAgeMs,
    ...(summary.absence && REASONS_OF_ABSENCE.has(reason) && { absence: summary.absence }),
    candidates: summary.list,
  };
}

const EMPTY_SUMMARY: EvaluationSummary = { home: 0, sessions: 0, oldestFixAgeMs: 0, expectedStayMs: 0, list: [] };

/** An explanation with state and reason only, without candidates. */
export function unexplained(vm: Vm, policy: string, reason: string): Explanation {
  return explanation(vm, policy, reason, EMPTY_SUMMARY);
}

/** The answer to a question for a VM's placement. */
export function explained(vm: Vm, why: Explanation): Explained {
  const { id, home, affinity, lastMove, context } = vm;
  const orderedBy = context.move?.orderedBy;
  const ordered = orderedBy === undefined ? {} : { orderedBy };
  return { vm: id, home: home.id, ...why, ...ordered, ...(lastMove && { lastMove }), ...(affinity && { affinity }) };
}

/** @throws TagalongError MOVE_REFUSED if a VM cannot be ordered anywhere */
export function refuseUnmovable({ id, state, home }: Vm, site: string): void {
  if (state === 'moving') throw moveRefused(id, site, 'it is already moving; wait until that move ends, or cancel it');
  if (home.index >= 0) return;
  throw moveRefused(id, site, `its home ${home.id} sends no heartbeats; start that site, or declare it again`);
}

/** The error of an order that a filter refuses. */
export function refusedBy(filter: string, vm: string, site: string): TagalongError {
  const until = refusalEnd(filter);
  const next = until === undefined ? '' : `; order it again when ${until}`;
  return moveRefused(vm, site, `${refusalWords(filter)}${next} (${filter})`);
}

/** The error of a refused order. @param why the reason in words, with the name of the filter if one refuses */
function moveRefused(vm: string, site: string, why: string): TagalongError {
  return new TagalongError('MOVE_REFUSED', `${vm} cannot move to ${site}: ${why}`);
}
