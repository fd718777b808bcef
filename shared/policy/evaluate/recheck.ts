/** The time at which a VM is evaluated again without an event. */
import type { PolicyConfig } from '../../config/schema.ts';
import type { Vm } from '../state/state.ts';
import type { Evaluation } from './evaluation.ts';
import { retryAtMs } from './filters.ts';

/** Least interval in ms: with `dwellMs: 0` evaluations at the same instant would never end. */
const LEAST_RETRY_MS = 100;

/** Interval in ms between evaluations of a VM whose home is lost or unknown. */
export function retryMs({ dwellMs }: { readonly dwellMs: number }): number {
  return Math.max(dwellMs, LEAST_RETRY_MS);
}

/** When an evaluation expires although no user moves: the move becomes due, or the filter may pass it. Infinity: never. */
export function recheckAtMs(vm: Vm, evaluation: Evaluation, policy: PolicyConfig, atMs: number): number {
  const { advice, homeLost, refugeTurnMs } = evaluation;
  if (homeLost !== null) return refugeTurnMs ?? atMs + retryMs(policy);
  if (advice.kind === 'move') return advice.readyAtMs > atMs ? advice.readyAtMs : Number.POSITIVE_INFINITY;
  if (advice.kind !== 'blocked') return Number.POSITIVE_INFINITY;
  return advice.turnMs ?? retryAtMs(advice.reason, vm, policy, atMs);
}
