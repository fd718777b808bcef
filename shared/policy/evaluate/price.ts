import type { PolicyConfig } from '../../config/schema.ts';

/** What a move takes, predicted or measured. */
export interface MoveFigures {
  readonly interruptionMs: number;
  readonly durationMs: number;
  readonly bytes: number;
}

/**
 * What a move costs, in user-milliseconds: the interruption and the slowdown while it lasts for every user, and the
 * bytes.
 * @param weight sum of the weights of the users the VM serves
 */
export function moveCostUserMs(
  { slowdownUserMsPerS, priceUserMsPerGb }: Pick<PolicyConfig, 'slowdownUserMsPerS' | 'priceUserMsPerGb'>,
  weight: number,
  { interruptionMs, durationMs, bytes }: MoveFigures,
): number {
  return (interruptionMs + (slowdownUserMsPerS * durationMs) / 1000) * weight + (priceUserMsPerGb * bytes) / 1e9;
}
