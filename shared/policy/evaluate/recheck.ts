/** When a VM is looked at again although nobody says anything of it. */
import type { PolicyConfig } from '../../config/schema.ts';
import type { Vm } from '../state/state.ts';
import type { Evaluation } from './evaluator.ts';
import { retryAtMs } from './filters.ts';

/** Without any dwell time, a look that changes nothing would follow itself at the same instant, for ever. */
const LEAST_RETRY_MS = 100;

/** How long after a look at a VM whose home cannot be used the next one follows. */
export function retryMs({ dwellMs }: { readonly dwellMs: number }): number {
  return Math.max(dwellMs, LEAST_RETRY_MS);
}

/** When a look would say something else although nobody moved: the choice is ripe, or what blocked it may be gone. */
export function recheckAtMs(vm: Vm, { advice, homeLost }: Evaluation, policy: PolicyConfig, atMs: number): number {
  if (homeLost !== null) return atMs + retryMs(policy);
  if (advice.kind === 'move') return advice.readyAtMs > atMs ? advice.readyAtMs : Number.POSITIVE_INFINITY;
  return advice.kind === 'blocked' ? retryAtMs(advice.reason, vm, policy, atMs) : Number.POSITIVE_INFINITY;
}
