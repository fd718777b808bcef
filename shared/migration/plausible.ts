/**
 * Bounds the figures that a site reports of a move. A site that lies, or counts wrongly, falsifies at most the figures of its own
 * moves, and not beyond what time and paths allow.
 */
import type { Measured } from '../hypervisor/hypervisor.ts';
import type { Migration } from './context.ts';

/** The mark of a move whose figures were reduced, among `degraded`. */
export const IMPLAUSIBLE = 'implausible-figures';

/** Uplinks are often declared slower than they are: only figures far above the declared rate are wrong for certain. */
const RATE_MARGIN = 10;
/** After a change of the leader, the clocks of two hosts measure one move. */
const CLOCK_MARGIN_MS = 1000;
/** The most words of `degraded` in an event. */
const MAX_DEGRADED = 64;

/**
 * The most that can be true of a move.
 * @param rateBps the rate of all its paths together in bytes a second; 0: not known
 */
export function limitsOf({ startedAtMs, acceptedAtMs, spec }: Migration, atMs: number, rateBps: number) {
  const ms = Math.max(0, atMs - (startedAtMs ?? acceptedAtMs)) + CLOCK_MARGIN_MS;
  if (rateBps === 0) return { ms, bytes: Number.POSITIVE_INFINITY };
  // One copy in any case: of a small VM on one host, all bytes may arrive at once.
  return { ms, bytes: spec.ramBytes + spec.diskBytes + (RATE_MARGIN * rateBps * ms) / 1000 };
}

/** The figures, reduced to these limits and then marked. The same object, if all are within them. */
export function plausible(
  measured: Measured,
  { ms, bytes }: { readonly ms: number; readonly bytes: number },
): Measured {
  const { pauseMs, interruptionMs, hypervisorDowntimeMs } = measured;
  const isFit =
    Math.max(pauseMs, interruptionMs, hypervisorDowntimeMs ?? 0) <= ms &&
    measured.bytes <= bytes &&
    Object.values(measured.bytesByPath).every((ofPath) => ofPath <= bytes);
  if (isFit) return measured;
  const byPath = Object.entries(measured.bytesByPath).map(([path, ofPath]) => [path, Math.min(ofPath, bytes)]);
  return {
    ...measured,
    pauseMs: Math.min(pauseMs, ms),
    interruptionMs: Math.min(interruptionMs, ms),
    ...(hypervisorDowntimeMs !== undefined && { hypervisorDowntimeMs: Math.min(hypervisorDowntimeMs, ms) }),
    bytes: Math.min(measured.bytes, bytes),
    bytesByPath: Object.fromEntries(byPath),
    degraded: [...measured.degraded.slice(0, MAX_DEGRADED - 1), IMPLAUSIBLE],
  };
}
