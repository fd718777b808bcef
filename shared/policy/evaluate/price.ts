import type { PolicyConfig } from '../../config/schema.ts';

/** The figures of a move that its price depends on, predicted or measured. */
export interface MoveFigures {
  readonly interruptionMs: number;
  readonly durationMs: number;
  readonly bytes: number;
}

/**
 * The price of a move in user-milliseconds: (interruptionMs + slowdownUserMsPerS × durationMs / 1000) × Σ weight
 * + priceUserMsPerGb × bytes / 10⁹. A prediction publishes the three figures beside the price, so that each part can be computed
 * again.
 * @param weight sum of the weights of the users the VM serves
 */
export function moveCostUserMs(
  { slowdownUserMsPerS, priceUserMsPerGb }: Pick<PolicyConfig, 'slowdownUserMsPerS' | 'priceUserMsPerGb'>,
  weight: number,
  { interruptionMs, durationMs, bytes }: MoveFigures,
): number {
  return (interruptionMs + (slowdownUserMsPerS * durationMs) / 1000) * weight + (priceUserMsPerGb * bytes) / 1e9;
}
