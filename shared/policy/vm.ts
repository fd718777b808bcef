/** A VM and its users as the policy sees them. `kept-vm.ts` has what is stored of it. */
import type { VmSpec } from '../events/index.ts';
import { newTrack, type Track } from '../geo/plausibility.ts';
import type { Mind, State } from './machine.ts';
import { newPace, type Pace } from './pace.ts';
import type { Rtts } from './rtts.ts';
import type { Site } from './sites.ts';
import type { Stays } from './stays.ts';

/** A user attached to a VM. */
export interface Session {
  readonly user: string;
  weight: number;
  readonly attachedAtMs: number;
  track: Track;
  readonly pace: Pace;
  /** Where the user was when the VM was last looked at, and the cosine there. */
  lookLat: number;
  lookLon: number;
  lookScale: number;
  /** Where the user was when the nearest site was last asked for, and how far from there it certainly still is that. */
  anchorLat: number;
  anchorLon: number;
  anchorScale: number;
  certainKm: number;
  /** Index of the site that was nearest then; -1: none yet. */
  near: number;
  /** Counted at the last look: has a position, and has not fallen silent. */
  active: boolean;
  /** Round-trip times the client measured, by site. */
  rtts?: Rtts;
}

export interface Vm {
  readonly id: string;
  spec: VmSpec;
  declaredAtMs: number;
  home: Site;
  state: State;
  mind: Mind;
  sessions: Session[];
  /** Latest instant that anything was said of this VM: its own clock. */
  nowMs: number;
  /** When it has to be looked at although nobody says anything. */
  wakeAtMs: number;
  /** When a look would say something else although no user moves; Infinity: not by itself. */
  recheckAtMs: number;
  /** How far each user may go from the last look before a gain could change enough; -1: look at the next event. */
  quietKm: number;
  /** The site that serves best now, and since when. */
  best: string | null;
  bestSinceMs: number;
  stays: Stays;
  /** What a rule that remembers has made of this VM's past (`published/chooser.ts`); null: nothing. JSON. */
  memory: object | null;
  /** The site it came from with its last move, and when. */
  left: { readonly site: string; readonly atMs: number } | null;
  /** When moves of the last hour were ordered. */
  movesAtMs: number[];
  /** Detachments, so that a late `attached` of an older time does not bring a session back. */
  detachedAtMs: Record<string, number>;
  /** What the last look said of its place. */
  reason: string;
  /** True once it is no longer there. */
  retired: boolean;
  /** Changed since it was last kept. */
  changed: boolean;
}

/**
 * When the VM has to be looked at: at the end of its pause, at its next look, when the first session falls silent, or when its
 * order has waited too long.
 */
export function dueMs(vm: Vm, policy: { readonly sessionTimeoutMs: number }): number {
  const pauseMs = vm.mind.deadlineMs ?? Number.POSITIVE_INFINITY;
  const giveUpMs = vm.mind.move?.giveUpAtMs ?? Number.POSITIVE_INFINITY;
  return Math.min(pauseMs, giveUpMs, vm.recheckAtMs, silentFromMs(vm, policy));
}

/** After sites have changed their places in the list: which of them is near is asked for anew at the next position. */
export function forgetPlaces(vm: Vm): void {
  vm.quietKm = -1;
  for (const session of vm.sessions) session.near = -1;
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
    pace: newPace(),
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
