/**
 * The state in memory: sites, VMs and sessions. A site knows its VMs, a VM its home. What is stored of a VM, and under which JSON
 * keys, is declared apart in `kept-vm.ts`. Times (`…AtMs`, `…SinceMs`) are ms since the epoch.
 */
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
  /** Pairs from here, by the index of the other site; made on first use. */
  readonly pairs: Map<number, Pair>;
  /** VMs whose home this is, as far as this process has them. */
  readonly homes: Set<Vm>;
  /** Moves ordered to here that have not ended. */
  inbound: number;
  /** Moves ordered from or to here that have not ended. */
  moves: number;
}

/** An ordered pair of sites: the paths between them, and the correction of predictions for moves on them. */
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
  /** Where the user was when the VM was last evaluated (the centre of the quiet radius), and the cosine of that latitude. */
  lookLat: number;
  lookLon: number;
  lookScale: number;
  /** Where the user was when the nearest site was last searched, and within how many km it certainly still is the nearest. */
  anchorLat: number;
  anchorLon: number;
  anchorScale: number;
  certainKm: number;
  /** Index of the site that was nearest then; -1: none yet. */
  near: number;
  /** True where the last evaluation counted the user: has a position, and has not fallen silent. */
  active: boolean;
  /** Round-trip times the client measured, by site. */
  rtts?: Rtts;
}

/** A VM, its users, and what was learned about both. Owned by the process that holds the VM's partition. */
export interface Vm {
  readonly id: string;
  spec: VmSpec;
  declaredAtMs: number;
  home: Site;
  state: VmState;
  context: VmContext;
  sessions: Session[];
  /** Time of the latest event about this VM: its own clock. It never goes back. */
  nowMs: number;
  /** When it has to be evaluated without any event. */
  wakeAtMs: number;
  /** When the last evaluation expires although no user moves; Infinity: never. */
  recheckAtMs: number;
  /** Quiet radius: how far each user may move before the VM has to be evaluated again; -1: evaluate at the next event. */
  quietKm: number;
  /** The site that serves best now, and since when. */
  best: string | null;
  bestSinceMs: number;
  dwellTimes: DwellTimes;
  /** What a rule that remembers has made of this VM's past (`rules/published/rule.ts`); null: nothing. JSON. */
  memory: object | null;
  /** The site that it left with its last move, and when. Stored as `left`. */
  cameFrom: { readonly site: string; readonly atMs: number } | null;
  /** When moves of the last hour were ordered. */
  movesAtMs: number[];
  /** Detachments, so that a late `attached` of an older time does not bring a session back. */
  detachedAtMs: Record<string, number>;
  /** The reason that the last evaluation gave for its place. */
  reason: string;
  /** True once it was retired. */
  retired: boolean;
  /** Changed since the last `drain`. */
  changed: boolean;
}
