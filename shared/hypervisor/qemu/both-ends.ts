/** Derives the state and the figures of one move from the answers of the agents at both ends. Pure. */
import type { FailureCode } from '../../errors.ts';
import { PHASES, type Phase } from '../../events/index.ts';
import type { Path } from '../../model/paths.ts';
import type { Measured, Move } from '../hypervisor.ts';
import type { InstanceStatus } from './protocol.ts';

/** Upper bound of a pause, one day: it is computed from two clocks, and the predictions for this pair of sites learn from it. */
const MAX_PAUSE_MS = 86_400_000;

/** The VM at both ends of a move; undefined if the site has no VM of that name. */
export interface BothEnds {
  readonly source: InstanceStatus | undefined;
  readonly destination: InstanceStatus | undefined;
}

/** True if the VM has arrived at its destination, running or dead. */
export function hasArrived({ destination }: BothEnds, { id }: Move): boolean {
  return destination?.arrivedBy === id && destination.state !== 'handed-over';
}

/** True if the VM has arrived at its destination, and its QEMU there has ended. */
export function hasDied(ends: BothEnds, move: Move): boolean {
  return hasArrived(ends, move) && ends.destination!.state === 'dead';
}

/** The steps of a move that are done, in order. */
export function doneSteps(ends: BothEnds, move: Move): Phase[] {
  const { source, destination } = ends;
  const { id } = move;
  if (hasArrived(ends, move)) {
    const released = destination!.migration !== id && source?.migration !== id;
    return PHASES.slice(0, released ? PHASES.length : PHASES.length - 1);
  }
  if (source?.migration !== id || destination?.migration !== id) return [];
  const inOrder = ['leave', 'announce', 'disk', 'memory'] as const;
  const missing = inOrder.findIndex((step) => !source.done.includes(step));
  return PHASES.slice(0, missing < 0 ? inOrder.length : missing);
}

/** The site where the VM runs; undefined if it runs at neither. */
export function runsAt({ source, destination }: BothEnds, { from, to }: Move): string | undefined {
  if (source?.state === 'running') return from;
  return destination?.state === 'running' ? to : undefined;
}

/** True if the source has begun post-copy: the VM can then run only at its destination, which is alive. */
export function goesForward({ source, destination }: BothEnds, { id }: Move): boolean {
  if (source?.migration !== id || destination?.migration !== id || destination.state === 'dead') return false;
  return source.postCopy === 'under-way' || source.postCopy === 'broken';
}

/** True if the VM is stopped in the middle of its switch-over. It runs again when the switch-over is completed or undone. */
export function standsBetween(ends: BothEnds, move: Move): boolean {
  const { source } = ends;
  if (hasArrived(ends, move) || source?.migration !== move.id) return false;
  return source.state === 'handed-over' || source.state === 'stopped';
}

/**
 * The reason why a move cannot begin; undefined if it can.
 * @param underWay tells whether a migration of the VM is still under way
 */
export function objection(
  { source, destination }: BothEnds,
  { vm, from, to, id }: Move,
  paths: readonly Path[],
  underWay: (migration: string) => boolean,
): { readonly code: FailureCode; readonly reason: string } | undefined {
  if (!source && !destination) return { code: 'NO_SUCH_VM', reason: `neither ${from} nor ${to} has a VM ${vm}` };
  if (source?.state !== 'running') {
    const where = destination?.state === 'running' ? to : 'no site';
    return { code: 'VM_ELSEWHERE', reason: `${vm} cannot leave ${from}, because it runs at ${where}` };
  }
  if (source.migration !== undefined && source.migration !== id && underWay(source.migration)) {
    return { code: 'BAD_ORDER', reason: `${vm} is already in the move ${source.migration}; wait until that ends` };
  }
  if (from === to) return { code: 'BAD_ORDER', reason: `${vm} is already at ${to}` };
  if (paths.length === 0) return { code: 'NO_PATH', reason: `${from} and ${to} have no provider in common` };
  return undefined;
}

/**
 * The totals of a move so far, in bytes and milliseconds. They never decrease, even if an agent restarts and counts from zero.
 * @param before the previous totals
 * @param clocksMs how far the clocks of source and destination are ahead of ours, in ms
 * @param earlier bytes sent before the move was retargeted to another path
 */
export function measure(
  before: Measured,
  { source, destination }: BothEnds,
  paths: readonly Path[],
  clocksMs: { readonly source: number; readonly destination: number },
  earlier: Pick<Measured, 'bytes' | 'bytesByPath'> = { bytes: 0, bytesByPath: {} },
): Measured {
  const { copy, disk, carriage, unjoined = 0 } = source ?? {};
  const sentBytes = (copy?.sentBytes ?? 0) + (disk?.sentBytes ?? 0);
  const bytes = Math.max(before.bytes, earlier.bytes + sentBytes);
  const stoppedAtMs = source?.stoppedAtMs === undefined ? undefined : source.stoppedAtMs - clocksMs.source;
  const resumedAtMs =
    destination?.resumedAtMs === undefined ? undefined : destination.resumedAtMs - clocksMs.destination;
  const paused = stoppedAtMs !== undefined && resumedAtMs !== undefined ? Math.max(0, resumedAtMs - stoppedAtMs) : 0;
  const pauseMs = Math.max(before.pauseMs, Math.min(paused, MAX_PAUSE_MS));
  const downtimeMs = source?.qemuDowntimeMs ?? before.hypervisorDowntimeMs;
  const degraded = new Set(before.degraded);
  if (carriage?.plainTcp) degraded.add('plain-tcp');
  else if (carriage?.subflows === 1) degraded.add('single-path');
  // Every connection begins with one subflow: `single-path` no longer holds once others have joined.
  else if ((carriage?.subflows ?? 0) > 1 && !wasOnSeveral(before)) degraded.delete('single-path');
  if (copy?.state === 'forced') degraded.add('forced-stop');
  if (source?.postCopy !== undefined) degraded.add('post-copy');
  if (unjoined > 0) degraded.add('clients-unjoined');
  // The VM arrived, but its QEMU ended before the move did: an operator has to start it again there.
  if (destination?.state === 'dead' && destination.arrivedBy !== undefined) degraded.add('vm-died');
  return {
    pauseMs,
    interruptionMs: Math.max(before.interruptionMs, pauseMs),
    bytes,
    bytesByPath: carriage
      ? sharesOf(bytes - earlier.bytes, carriage.bytesByProvider, paths, earlier.bytesByPath)
      : before.bytesByPath,
    rounds: Math.max(before.rounds, copy?.rounds ?? 0),
    subflows: carriage?.subflows || before.subflows,
    degraded: [...degraded],
    ...(downtimeMs !== undefined && { hypervisorDowntimeMs: downtimeMs }),
  };
}

function wasOnSeveral({ bytesByPath }: Measured): boolean {
  return Object.values(bytesByPath).filter((sent) => sent > 0).length > 1;
}

/** Bytes by path. The kernel's counts by provider include headers and retransmissions, so only their ratios are used. */
function sharesOf(
  bytes: number,
  byProvider: Readonly<Record<string, number>>,
  paths: readonly Path[],
  earlier: Readonly<Record<string, number>>,
) {
  const counted = Object.values(byProvider).reduce((sum, each) => sum + each, 0);
  const result: Record<string, number> = { ...earlier };
  for (const [provider, each] of Object.entries(byProvider)) {
    // `other`: a provider that has no path of this move.
    const id = paths.find((path) => path.provider === provider)?.id ?? 'other';
    result[id] = (result[id] ?? 0) + (counted === 0 ? 0 : (bytes * each) / counted);
  }
  return result;
}
