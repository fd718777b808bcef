/**
 * Predicts a whole move from its paths and the VM's figures. The policy predicts with this arithmetic, and the simulated hypervisor
 * works with the same constants.
 *
 * Sources: pre-copy in rounds (`pre-copy.ts`); the phases of Chaufournier et al., "Fast Transparent Virtual Machine Migration in
 * Distributed Edge Clouds", SEC'17; aggregation over several paths as multipath TCP, RFC 8684, with a measured efficiency.
 */
import { LONGEST_MOVE_MS, MAX_SENT_BYTES, within } from '../events/bounds.ts';
import type { VmSpec } from '../events/index.ts';
import type { Path } from './paths.ts';
import { type PreCopyModel, preCopy } from './pre-copy.ts';

export interface MoveModel extends PreCopyModel {
  /** Achieved share of the rate of one path (TCP), and of the sum of several paths' rates (MPTCP). */
  readonly efficiency: { readonly single: number; readonly multi: number };
  /** The highest rate of one migration stream on a host, whatever its paths: one thread, one socket. Bytes a second. */
  readonly hostRateBps: number;
  /** To reserve a slot, start the receiver and stretch the LANs. Several paths take longer to set up. */
  readonly prepareMs: { readonly single: number; readonly multi: number };
  /** To give the guest its new address and wait until the clients have joined it. One round trip is added. */
  readonly announceMs: number;
  /** To load the device state and resume at the destination, after the last copy. */
  readonly resumeMs: number;
  readonly releaseMs: number;
}

/**
 * Measured with one migration on a present-day host (QEMU 10, two shaped paths: 0.92-0.98 of the rates; one migration thread:
 * about 10 Gbit/s). The prepare and announce times are assumptions, not measurements.
 */
export const DEFAULT_MOVE_MODEL: MoveModel = {
  efficiency: { single: 0.95, multi: 0.92 },
  hostRateBps: 1_250_000_000,
  prepareMs: { single: 1_000, multi: 1_500 },
  announceMs: 300,
  resumeMs: 20,
  releaseMs: 500,
  maxRounds: 30,
  maxPauseMs: 5_000,
  dirtying: 'saturating',
};

/** The rate of a migration over paths with these rates, in bytes a second. */
export function aggregateBps(model: MoveModel, pathRatesBps: readonly number[]): number {
  const sum = pathRatesBps.reduce((a, b) => a + b, 0);
  const efficiency = pathRatesBps.length > 1 ? model.efficiency.multi : model.efficiency.single;
  return Math.min(sum * efficiency, model.hostRateBps);
}

/** From the order of a move to its first byte: preparation and announcement. @param rttMs round trip between the two sites */
export function leadMs(model: MoveModel, paths: number, rttMs: number): number {
  return (paths > 1 ? model.prepareMs.multi : model.prepareMs.single) + model.announceMs + rttMs;
}

/** The prediction of a move. Times in ms; `rounds` of pre-copy. */
export interface PredictedMove {
  readonly durationMs: number;
  readonly interruptionMs: number;
  readonly bytes: number;
  readonly rounds: number;
  /** False if the move would fail: the guest dirties its memory faster than the paths carry it. */
  readonly converges: boolean;
}

/** The prediction without a path: the move never ends and sends nothing. */
const NO_WAY: PredictedMove = {
  durationMs: LONGEST_MOVE_MS,
  interruptionMs: LONGEST_MOVE_MS,
  bytes: 0,
  rounds: 0,
  converges: false,
};

/**
 * Predicts a move, on the assumption that no other flow uses its paths. A move that would take longer than
 * {@link LONGEST_MOVE_MS} does not converge. The interruption is pause + RTT: TCP sends a packet that has just missed the VM again
 * after about a round trip (RFC 6298).
 * @param rttMs round trip between the two sites
 */
export function predictMove(model: MoveModel, spec: VmSpec, paths: readonly Path[], rttMs: number): PredictedMove {
  if (paths.length === 0) return NO_WAY;
  const rateBps = aggregateBps(
    model,
    paths.map((path) => path.rateBps),
  );
  const memory = preCopy(spec, rateBps, rttMs / 2, model);
  const diskMs = spec.diskBytes === 0 ? 0 : (spec.diskBytes / rateBps) * 1000 + rttMs / 2;
  const pauseMs = memory.stopCopyMs + model.resumeMs;
  const durationMs = leadMs(model, paths.length, rttMs) + diskMs + memory.copyMs + pauseMs + model.releaseMs;
  return {
    durationMs: within(durationMs, LONGEST_MOVE_MS),
    interruptionMs: within(pauseMs + rttMs, LONGEST_MOVE_MS),
    bytes: within(memory.bytes + spec.diskBytes, MAX_SENT_BYTES),
    rounds: memory.rounds,
    converges: memory.verdict !== 'give-up' && durationMs < LONGEST_MOVE_MS,
  };
}
