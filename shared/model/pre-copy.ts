/**
 * Iterative pre-copy: round after round sends what the guest dirtied during the round before, until the rest is small
 * enough to be sent while the VM stands still.
 *
 * Dirtying saturates: a guest that writes for `t` seconds has touched `W·(1 - exp(-r·t/W))` bytes, `W` its writable
 * working set and `r` its rate (the saturating model of QEMU's `predict_migration.py` patch, A. Gudkov 2023, in its
 * one-parameter form; geometric models were off by 46 % at the 90th percentile, Nathan et al., SoCC'15).
 * The switch-over rule is QEMU's: stop when pending ≤ bandwidth of the last round × downtime limit.
 */
import type { VmSpec } from '../events/index.ts';

/** Bytes dirtied in `ms` of running, never more than the RAM there is. */
export function dirtiedBytes(spec: Pick<VmSpec, 'ramBytes' | 'dirtyRateBps' | 'workingSetBytes'>, ms: number): number {
  const { ramBytes, dirtyRateBps, workingSetBytes } = spec;
  if (dirtyRateBps === 0 || workingSetBytes === 0) return 0;
  const touched = -workingSetBytes * Math.expm1((-dirtyRateBps * ms) / 1000 / workingSetBytes);
  return Math.min(touched, ramBytes);
}

export type RoundVerdict = 'again' | 'switch' | 'force' | 'post-copy' | 'give-up';

/** When to stop copying, beside convergence. */
export interface RoundLimits {
  /** Rounds after which the VM is stopped although the rest is larger than the downtime limit allows. */
  readonly maxRounds: number;
  /** The longest pause a forced stop may take; where it would take longer the move is given up. */
  readonly maxPauseMs: number;
  /** Whether what would be given up may run on at its destination before all of its memory is there. */
  readonly postCopy?: boolean;
}

/**
 * What follows a round.
 * @param round rounds done, 1 after the first
 * @param pendingBytes dirtied during the round
 * @param measuredBps bytes a second the round achieved, latency included
 */
export function afterRound(
  spec: Pick<VmSpec, 'downtimeLimitMs'>,
  limits: RoundLimits,
  round: number,
  pendingBytes: number,
  measuredBps: number,
): RoundVerdict {
  if (pendingBytes * 1000 <= measuredBps * spec.downtimeLimitMs) return 'switch';
  if (round < limits.maxRounds) return 'again';
  if (pendingBytes * 1000 <= measuredBps * limits.maxPauseMs) return 'force';
  return limits.postCopy ? 'post-copy' : 'give-up';
}

export interface PreCopy {
  /** Copying while the VM runs. */
  readonly copyMs: number;
  /** The last copy, while it stands still. */
  readonly stopCopyMs: number;
  readonly bytes: number;
  readonly rounds: number;
  readonly verdict: Exclude<RoundVerdict, 'again'>;
}

/**
 * Runs the rounds at a constant rate.
 * @param rateBps bytes a second on all paths together
 * @param latencyMs what each round pays once, however little it sends
 */
export function preCopy(spec: VmSpec, rateBps: number, latencyMs: number, limits: RoundLimits): PreCopy {
  let pendingBytes = spec.ramBytes;
  let copyMs = 0;
  let bytes = 0;
  for (let round = 1; ; round++) {
    const roundMs = (pendingBytes / rateBps) * 1000 + latencyMs;
    copyMs += roundMs;
    bytes += pendingBytes;
    const measuredBps = (pendingBytes / roundMs) * 1000;
    pendingBytes = dirtiedBytes(spec, roundMs);
    const verdict = afterRound(spec, limits, round, pendingBytes, measuredBps);
    if (verdict !== 'again') {
      const restMs = (pendingBytes / rateBps) * 1000;
      // In post-copy it stands still for next to nothing, and runs while the rest is copied.
      const [whileItRunsMs, whileItStandsMs] = verdict === 'post-copy' ? [restMs, 0] : [0, restMs];
      const times = { copyMs: copyMs + whileItRunsMs, stopCopyMs: whileItStandsMs + latencyMs };
      return { ...times, bytes: bytes + pendingBytes, rounds: round, verdict };
    }
  }
}
