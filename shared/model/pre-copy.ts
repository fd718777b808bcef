/**
 * Iterative pre-copy (C. Clark et al., "Live Migration of Virtual Machines", NSDI'05): each round sends what the guest
 * dirtied during the round before, until the rest is small enough to be sent while the VM is stopped.
 *
 * Two models say how many bytes a guest with the writable working set `W` and the rate `r` has dirtied after `t` seconds:
 * - `saturating`, the default: `W·(1 - exp(-r·t/W))`. The guest writes anywhere in its working set, so more and more of its writes
 *   meet a dirty page (the model of QEMU's `predict_migration.py` patch, A. Gudkov 2023, in its one-parameter form; geometric models
 *   were off by 46 % at the 90th percentile, Nathan et al., SoCC'15).
 * - `capped`: `min(r·t, W)`. The guest writes each page of its working set once before it writes one again. SimGrid's
 *   `live_migration` plugin uses this model.
 * The switch-over rule is QEMU's: stop when pending ≤ bandwidth of the last round × downtime limit.
 */
import type { VmSpec } from '../events/index.ts';

/** How the dirtied bytes grow with time; see the head of this file. */
export type Dirtying = 'saturating' | 'capped';

/** Bytes dirtied in `ms` of running, at most the RAM; see the head of this file. */
export function dirtiedBytes(
  { ramBytes, dirtyRateBps, workingSetBytes }: Pick<VmSpec, 'ramBytes' | 'dirtyRateBps' | 'workingSetBytes'>,
  ms: number,
  dirtying: Dirtying,
): number {
  if (dirtyRateBps === 0 || workingSetBytes === 0) return 0;
  const writtenBytes = (dirtyRateBps * ms) / 1000;
  const dirtied =
    dirtying === 'capped'
      ? Math.min(writtenBytes, workingSetBytes)
      : -workingSetBytes * Math.expm1(-writtenBytes / workingSetBytes);
  return Math.min(dirtied, ramBytes);
}

/** The next step after a round: another round, the switch-over, a forced stop, post-copy, or failure. */
export type RoundVerdict = 'again' | 'switch' | 'force' | 'post-copy' | 'give-up';

/** The limits of copying if it does not converge. */
export interface RoundLimits {
  /** Rounds after which the VM is stopped although the rest is larger than the downtime limit allows. */
  readonly maxRounds: number;
  /** The longest pause of a forced stop. If it would take longer, the move fails. */
  readonly maxPauseMs: number;
  /** True: a move that would fail may switch to post-copy: the VM resumes at its destination before all of its memory arrives. */
  readonly postCopy?: boolean;
}

/** The parameters of a prediction of pre-copy, besides the VM's. */
export interface PreCopyModel extends RoundLimits {
  readonly dirtying: Dirtying;
}

/**
 * Decides the next step after a round.
 * @param round number of completed rounds, 1 after the first
 * @param pendingBytes dirtied during the round
 * @param measuredBps the round's rate in bytes a second, latency included
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

/** The result of pre-copy. Times in ms. */
export interface PreCopy {
  /** Time of copying while the VM runs. */
  readonly copyMs: number;
  /** Time of the last copy, while the VM is stopped. */
  readonly stopCopyMs: number;
  readonly bytes: number;
  readonly rounds: number;
  readonly verdict: Exclude<RoundVerdict, 'again'>;
}

/**
 * Runs the rounds at a constant rate.
 * @param rateBps bytes a second on all paths together
 * @param latencyMs fixed duration of each round, whatever its size
 */
export function preCopy(spec: VmSpec, rateBps: number, latencyMs: number, model: PreCopyModel): PreCopy {
  let pendingBytes = spec.ramBytes;
  let copyMs = 0;
  let bytes = 0;
  for (let round = 1; ; round++) {
    const roundMs = (pendingBytes / rateBps) * 1000 + latencyMs;
    copyMs += roundMs;
    bytes += pendingBytes;
    const measuredBps = (pendingBytes / roundMs) * 1000;
    pendingBytes = dirtiedBytes(spec, roundMs, model.dirtying);
    const verdict = afterRound(spec, model, round, pendingBytes, measuredBps);
    if (verdict !== 'again') {
      const restMs = (pendingBytes / rateBps) * 1000;
      // In post-copy the VM stops for almost no time: it runs while the rest is copied.
      const [whileItRunsMs, whileItStandsMs] = verdict === 'post-copy' ? [restMs, 0] : [0, restMs];
      const times = { copyMs: copyMs + whileItRunsMs, stopCopyMs: whileItStandsMs + latencyMs };
      return { ...times, bytes: bytes + pendingBytes, rounds: round, verdict };
    }
  }
}
