/** Makes the event of a decision, its explanation, and the error of a refused order. */
import { TagalongError } from '../../errors.ts';
import type { Data, Explanation } from '../../events/index.ts';
import type { EvaluationSummary } from '../evaluate/summary.ts';
import type { Vm } from '../state/state.ts';
import type { DecideParams } from './machine.ts';

/** The event of a decision. Its id consists of the VM and the number, so it is the same however often it is computed. */
export function decisionEvent(
  vm: Vm,
  { verdict, choice, source, reason }: DecideParams,
  seq: number,
  atMs: number,
  explanation: Explanation,
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
    ...(choice && { prediction: choice.prediction }),
    ...(verdict !== 'stay' && { spec: vm.spec }),
    ...(verdict === 'cancel' && move && { cancels: move.decision }),
    explanation,
  };
}

/** Why a VM is where it is. */
export function explanation(vm: Vm, policy: string, reason: string, summary: EvaluationSummary): Explanation {
  return {
    state: vm.state,
    policy,
    reason,
    sessions: summary.sessions,
    homeServingUserMsPerS: summary.home,
    expectedStayMs: summary.expectedStayMs,
    oldestFixAgeMs: summary.oldestFixAgeMs,
    candidates: summary.list,
  };
}

const EMPTY_SUMMARY: EvaluationSummary = { home: 0, sessions: 0, oldestFixAgeMs: 0, expectedStayMs: 0, list: [] };

/** An explanation of state and reason only, without candidates. */
export function unexplained(vm: Vm, policy: string, reason: string): Explanation {
  return explanation(vm, policy, reason, EMPTY_SUMMARY);
}

/** The error of an operator's order that cannot be followed. @param why the reason in words, and the filter where one refuses */
export function moveRefused(vm: string, site: string, why: string): TagalongError {
  return new TagalongError('MOVE_REFUSED', `${vm} cannot move to ${site}: ${why}`);
}
