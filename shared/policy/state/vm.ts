/** Functions of one VM and its sessions. `kept-vm.ts` declares the stored shape. */
import { newTrack } from '../../geo/plausibility.ts';
import { newDwellTimes } from './dwell-times.ts';
import { newMotion } from './motion.ts';
import { activeUntilMs, newReporting } from './presence.ts';
import type { Session, Vm } from './state.ts';
import type { VmState } from './vm-context.ts';

/**
 * When the VM has to be evaluated next, in ms since the epoch: at the end of its cooldown, when its last evaluation expires, when its
 * first session falls silent, or when its order has waited too long for a migrator. Infinity: only at an event.
 */
export function dueMs(vm: Vm, policy: { readonly sessionTimeoutMs: number }): number {
  const cooldownUntilMs = vm.context.deadlineMs ?? Number.POSITIVE_INFINITY;
  const giveUpAtMs = vm.context.move?.giveUpAtMs ?? Number.POSITIVE_INFINITY;
  return Math.min(cooldownUntilMs, giveUpAtMs, vm.recheckAtMs, silentFromMs(vm, policy));
}

/** States in which a VM has not yet reacted to a draining home. */
const NOT_YET_EVACUATING: readonly VmState[] = ['idle', 'settled', 'drifting', 'cooling'];

/** True if the home drains, and the VM has not yet reacted to that. */
export function isAboutToEvacuate({ home, state }: Vm): boolean {
  return home.index >= 0 && home.draining && NOT_YET_EVACUATING.includes(state);
}

/** Time of the newest position of a VM's users; -1: there is none. */
export function lastFixMs({ sessions }: Vm): number {
  return sessions.reduce((last, { track }) => Math.max(last, track.atMs), -1);
}

/** True if the VM is there and may wait for its turn to move: it has no move, and no cooldown. */
export function isWaiting(vm: Vm | undefined): vm is Vm {
  return vm?.state === 'settled' || vm?.state === 'drifting' || vm?.state === 'evacuating';
}

/** Call after sites have come, moved or gone: the next position of a user evaluates the VM and searches the nearest site again. */
export function forgetPlaces(vms: Iterable<Vm>): void {
  for (const vm of vms) {
    vm.quietKm = -1;
    for (const session of vm.sessions) session.near = -1;
  }
}

/** Deletes the data about users, past moves and places of a retired VM. Its record stays, for the number of its last decision. */
export function forgetPast(vm: Vm, priorStayMs: number): void {
  vm.dwellTimes = newDwellTimes(priorStayMs);
  vm.detachedAtMs = {};
  vm.movesAtMs = [];
  vm.memory = null;
  vm.cameFrom = null;
  vm.lastMove = null;
  vm.affinity = null;
  vm.cameBy = null;
  vm.endedStays = [];
}

/** When the first active session falls silent; Infinity if none is active. */
function silentFromMs({ sessions }: Vm, { sessionTimeoutMs }: { readonly sessionTimeoutMs: number }): number {
  let fromMs = Number.POSITIVE_INFINITY;
  for (const { active, track, presence } of sessions) {
    if (active) fromMs = Math.min(fromMs, activeUntilMs(presence, track.atMs, sessionTimeoutMs));
  }
  return fromMs;
}

/**
 * Why a VM has no active user: none is attached, no attached user has reported a position, all who have reported one have left, or
 * some have fallen silent.
 */
export function whyUnpopulated({ sessions }: Vm): 'nobody-attached' | 'no-position' | 'users-left' | 'users-silent' {
  if (sessions.length === 0) return 'nobody-attached';
  if (sessions.every(({ track }) => track.atMs < 0)) return 'no-position';
  return sessions.every(({ track, presence }) => track.atMs < 0 || presence === 'left') ? 'users-left' : 'users-silent';
}

/** The session of a user who has just attached and has no position yet. @param weight the weight of the user in costs */
export function newSession(user: string, weight: number, atMs: number): Session {
  return {
    user,
    weight,
    attachedAtMs: atMs,
    track: newTrack(),
    motion: newMotion(),
    ...newReporting(),
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
