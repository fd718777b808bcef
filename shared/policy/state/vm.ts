/** A VM and its users as the policy sees them. `kept-vm.ts` has what is stored of it. */
import { newTrack } from '../../geo/plausibility.ts';
import { newDwellTimes } from './dwell-times.ts';
import { newMotion } from './motion.ts';
import type { Session, Vm } from './state.ts';

/**
 * When the VM has to be looked at: at the end of its pause, at its next look, when the first session falls silent, or when its
 * order has waited too long.
 */
export function dueMs(vm: Vm, policy: { readonly sessionTimeoutMs: number }): number {
  const pauseMs = vm.context.deadlineMs ?? Number.POSITIVE_INFINITY;
  const giveUpMs = vm.context.move?.giveUpAtMs ?? Number.POSITIVE_INFINITY;
  return Math.min(pauseMs, giveUpMs, vm.recheckAtMs, silentFromMs(vm, policy));
}

/** After sites have come, moved or gone: each VM's next position leads to a new evaluation, and asks anew which site is near. */
export function forgetPlaces(vms: Iterable<Vm>): void {
  for (const vm of vms) {
    vm.quietKm = -1;
    for (const session of vm.sessions) session.near = -1;
  }
}

/** Of a VM that is gone the record stays, for the number of its last decision. What it knew of its users and its past goes. */
export function forgetPast(vm: Vm, priorStayMs: number): void {
  vm.dwellTimes = newDwellTimes(priorStayMs);
  vm.detachedAtMs = {};
  vm.movesAtMs = [];
  vm.memory = null;
  vm.cameFrom = null;
}

/** When the first active session will have fallen silent; Infinity where none is active. */
function silentFromMs({ sessions }: Vm, { sessionTimeoutMs }: { readonly sessionTimeoutMs: number }): number {
  let fromMs = Number.POSITIVE_INFINITY;
  for (const { active, track } of sessions) if (active) fromMs = Math.min(fromMs, track.atMs + sessionTimeoutMs);
  return fromMs;
}

/** Why nobody's needs count for a VM: nobody is attached, nobody who is has told a position, or all have fallen silent. */
export function whyUnpopulated({ sessions }: Vm): 'nobody-attached' | 'no-position' | 'users-silent' {
  if (sessions.length === 0) return 'nobody-attached';
  return sessions.every(({ track }) => track.atMs < 0) ? 'no-position' : 'users-silent';
}

export function newSession(user: string, weight: number, atMs: number): Session {
  return {
    user,
    weight,
    attachedAtMs: atMs,
    track: newTrack(),
    motion: newMotion(),
    lookLat: 0,
    lookLon: 0,
    lookScale: 1,
    anchorLat: 0,
    anchorLon: 0,
    anchorScale: 1,
    certainKm: 0,
    near: -1,
    active: false,
  };
}
