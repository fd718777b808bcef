/** What two agents say of one move, and what follows from it. Pure. */
import type { FailureCode } from '../../errors.ts';
import { PHASES, type Phase } from '../../events/index.ts';
import type { Path } from '../../model/paths.ts';
import type { Measured, Move } from '../hypervisor.ts';
import type { InstanceStatus } from './protocol.ts';

/** What two hosts' clocks say of a longer pause is not believed: it would be the measure of all moves on this way. */
const MOST_PAUSE_MS = 86_400_000;

/** The VM at both ends; missing where the site has none of that name. */
export interface Survey {
  readonly source: InstanceStatus | undefined;
  readonly destination: InstanceStatus | undefined;
}

/** True: the VM is the destination's, whether it runs or not. */
export function hasArrived({ destination }: Survey, { id }: Move): boolean {
  return destination?.arrivedBy === id && destination.state !== 'handed-over';
}

/** True: the VM is the destination's, and its QEMU there is no more. */
export function hasDied(survey: Survey, move: Move): boolean {
  return hasArrived(survey, move) && survey.destination!.state === 'dead';
}

/** The steps of a move that are done, in order. */
export function doneSteps(survey: Survey, move: Move): Phase[] {
  const { source, destination } = survey;
  const { id } = move;
  if (hasArrived(survey, move)) {
    const released = destination!.migration !== id && source?.migration !== id;
    return PHASES.slice(0, released ? PHASES.length : PHASES.length - 1);
  }
  if (source?.migration !== id || destination?.migration !== id) return [];
  const inOrder = ['leave', 'announce', 'disk', 'memory'] as const;
  const missing = inOrder.findIndex((step) => !source.done.includes(step));
  return PHASES.slice(0, missing < 0 ? inOrder.length : missing);
}

/** The site where the VM runs; undefined where it runs nowhere. */
export function runsAt({ source, destination }: Survey, { from, to }: Move): string | undefined {
  if (source?.state === 'running') return from;
  return destination?.state === 'running' ? to : undefined;
}

/** True: its source has begun with post-copy, so that it can only run at its destination; and that may still come about. */
export function goesForward({ source, destination }: Survey, { id }: Move): boolean {
  if (source?.migration !== id || destination?.migration !== id || destination.state === 'dead') return false;
  return source.postCopy === 'under-way' || source.postCopy === 'broken';
}

/** True: the VM stands still between the two sites; only whoever carries the switch-over on can tell how it ends. */
export function standsBetween(survey: Survey, move: Move): boolean {
  const { source } = survey;
  if (hasArrived(survey, move) || source?.migration !== move.id) return false;
  return source.state === 'handed-over' || source.state === 'stopped';
}

/**
 * Why a move cannot begin; undefined where it can.
 * @param underWay whether a migration that the VM takes part in is still being carried out
 */
export function objection(
  { source, destination }: Survey,
  { vm, from, to, id }: Move,
  paths: readonly Path[],
  underWay: (migration: string) => boolean,
): { readonly code: FailureCode; readonly reason: string } | undefined {
  if (!source && !destination) return { code: 'NO_SUCH_VM', reason: `neither ${from} nor ${to} has a VM ${vm}` };
  if (source?.state !== 'running') {
    const where = destination?.state === 'running' ? to : 'no site';
    return { code: 'VM_ELSEWHERE', reason: `${vm} is to leave ${from}, but runs at ${where}` };
  }
  if (source.migration !== undefined && source.migration !== id && underWay(source.migration)) {
    return { code: 'BAD_ORDER', reason: `${vm} is being moved by ${source.migration}: that has to end first` };
  }
  if (from === to) return { code: 'BAD_ORDER', reason: `${vm} is at ${to} already` };
  if (paths.length === 0) return { code: 'NO_PATH', reason: `${from} and ${to} have no provider in common` };
  return undefined;
}

/**
 * What a move has cost so far. Totals never go back, also where an agent was restarted and began to count anew.
 * @param before what was measured before
 * @param clocksMs how far the clocks of source and destination are ahead of ours
 * @param earlier what was sent before the move was begun again over another path
 */
export function measure(
  before: Measured,
  { source, destination }: Survey,
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
  const pauseMs = Math.max(before.pauseMs, Math.min(paused, MOST_PAUSE_MS));
  const downtimeMs = source?.qemuDowntimeMs ?? before.hypervisorDowntimeMs;
  const degraded = new Set(before.degraded);
  if (carriage?.plainTcp) degraded.add('plain-tcp');
  else if (carriage?.subflows === 1) degraded.add('single-path');
  // The others had not joined yet at the first look: that is how every connection begins.
  else if ((carriage?.subflows ?? 0) > 1 && !wasOnSeveral(before)) degraded.delete('single-path');
  if (copy?.state === 'forced') degraded.add('forced-stop');
  if (source?.postCopy !== undefined) degraded.add('post-copy');
  if (unjoined > 0) degraded.add('clients-unjoined');
  // It came, and its QEMU ended before the move did: it is to be started again there.
  if (destination?.state === 'dead' && destination.arrivedBy !== undefined) degraded.add('vm-died');
  return {
    pauseMs,
    interruptionMs: Math.max(before.interruptionMs, pauseMs),
    bytes,
    bytesByPath: carriage
      ? shared(bytes - earlier.bytes, carriage.bytesByProvider, paths, earlier.bytesByPath)
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

/** The bytes by path: what the kernel counted by provider includes headers and what was sent twice, so as shares. */
function shared(
  bytes: number,
  byProvider: Readonly<Record<string, number>>,
  paths: readonly Path[],
  earlier: Readonly<Record<string, number>>,
) {
  const counted = Object.values(byProvider).reduce((sum, each) => sum + each, 0);
  const result: Record<string, number> = { ...earlier };
  for (const [provider, each] of Object.entries(byProvider)) {
    // What the source names otherwise is on no path of this move.
    const id = paths.find((path) => path.provider === provider)?.id ?? 'other';
    result[id] = (result[id] ?? 0) + (counted === 0 ? 0 : (bytes * each) / counted);
  }
  return result;
}
