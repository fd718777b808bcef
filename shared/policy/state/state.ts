/** What the policy remembers of sites and VMs. They know each other: a site its VMs, a VM its home. */
import type { Data, VmSpec } from '../../events/index.ts';
import type { Track } from '../../geo/plausibility.ts';
import type { PredictedMove } from '../../model/move-model.ts';
import type { Path, Uplink } from '../../model/paths.ts';
import type { DwellTimes } from './dwell-times.ts';
import type { Motion } from './motion.ts';
import type { Rtts } from './rtts.ts';
import type { VmContext, VmState } from './vm-context.ts';

export interface Site {
  readonly id: string;
  /** Place in the list; -1 until it was reported, and when it was removed. */
  index: number;
  lat: number;
  lon: number;
  slots: number;
  uplinks: readonly Uplink[];
  draining: boolean;
  reportedAtMs: number;
  /** When it was removed last; -1: never. Older heartbeats do not bring it back. */
  removedAtMs: number;
  /** VMs that the site itself says it runs. */
  reportedVms: number;
  /** The heartbeat all this is from. */
  report?: Data<'site.reported.v1'>;
  /** Ways from here by the other site's index, made when first asked for. */
  readonly pairs: Map<number, Pair>;
  /** VMs whose home this is, as far as this process has them. */
  readonly homes: Set<Vm>;
  /** Moves ordered to here that have not ended. */
  inbound: number;
  /** Moves ordered from or to here that have not ended. */
  moves: number;
}

/** The way from one site to another, and how moves on it compare with their predictions. */
export interface Pair {
  readonly key: string;
  readonly generation: number;
  readonly from: Site;
  readonly to: Site;
  readonly paths: readonly Path[];
  readonly rttMs: number;
  correction: Correction;
  /** The last prediction made for this way, before correction. */
  predicted?: { readonly spec: VmSpec; readonly move: PredictedMove };
}

/** Measured ÷ predicted, smoothed over the recent moves of a pair. JSON. */
export interface Correction {
  readonly duration: number;
  readonly interruption: number;
  readonly samples: number;
}

/** A user attached to a VM. */
export interface Session {
  readonly user: string;
  weight: number;
  readonly attachedAtMs: number;
  track: Track;
  readonly motion: Motion;
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
  state: VmState;
  context: VmContext;
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
  dwellTimes: DwellTimes;
  /** What a rule that remembers has made of this VM's past (`published/chooser.ts`); null: nothing. JSON. */
  memory: object | null;
  /** The site it came from with its last move, and when. */
  cameFrom: { readonly site: string; readonly atMs: number } | null;
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
