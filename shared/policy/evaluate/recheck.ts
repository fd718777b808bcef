/** When a VM is evaluated again without an event. */
import type { PolicyConfig } from '../../config/schema.ts';
import type { Vm } from '../state/state.ts';
import type { Evaluation } from './evaluator.ts';
import { retryAtMs } from './filters.ts';

/** Least interval in ms: with `dwellMs: 0` an evaluation would follow itself at the same instant, for ever. */
const LEAST_RETRY_MS = 100;

/** Interval in ms between evaluations of a VM whose home cannot be used. */
export function retryMs({ dwellMs }: { readonly dwellMs: number }): number {
  return Math.max(dwellMs, LEAST_RETRY_MS);
}

/** When an evaluation expires although no user moved: the move becomes due, or the filter may pass it. */
export function recheckAtMs(vm: Vm, { advice, homeLost }: Evaluation, policy: PolicyConfig, atMs: number): number {
  if (homeLost !== null) return atMs + retryMs(policy);
  if (advice.kind === 'move') return advice.readyAtMs > atMs ? advice.readyAtMs : Number.POSITIVE_INFINITY;
  return advice.kind === 'blocked' ? retryAtMs(advice.reason, vm, policy, atMs) : Number.POSITIVE_INFINITY;
}
