import type { PolicyConfig } from '../../config/schema.ts';

/** The figures of a move that determine its price, predicted or measured. */
export interface MoveFigures {
  readonly interruptionMs: number;
  readonly durationMs: number;
  readonly bytes: number;
}

/**
 * The price of a move in user-milliseconds: (interruptionMs + slowdownUserMsPerS × durationMs / 1000) × Σ weight
 * + priceUserMsPerGb × bytes / 10⁹. A prediction publishes the three figures beside the price, so that readers can compute each
 * part of it.
 * @param weight sum of the weights of the VM's users
 */
export function moveCostUserMs(
  { slowdownUserMsPerS, priceUserMsPerGb }: Pick<PolicyConfig, 'slowdownUserMsPerS' | 'priceUserMsPerGb'>,
  weight: number,
  { interruptionMs, durationMs, bytes }: MoveFigures,
): number {
  return (interruptionMs + (slowdownUserMsPerS * durationMs) / 1000) * weight + (priceUserMsPerGb * bytes) / 1e9;
}
