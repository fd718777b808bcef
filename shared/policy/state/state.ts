/**
 * The state in memory: sites, VMs and sessions. A site refers to its VMs, and a VM to its home. `kept-vm.ts` declares the stored
 * shape of a VM. Times (`…AtMs`, `…SinceMs`) are ms since the epoch.
 */
import type { Affinity, Data, VmSpec } from '../../events/index.ts';
import type { Track } from '../../geo/plausibility.ts';
import type { PredictedMove } from '../../model/move-model.ts';
import type { Path, Uplink } from '../../model/paths.ts';
import type { SharedForecast } from '../../model/shared-moves.ts';
import type { DwellTimes } from './dwell-times.ts';
import type { EndedStay } from './forecast.ts';
import type { Motion } from './motion.ts';
import type { Reporting } from './presence.ts';
import type { Rtts } from './rtts.ts';
import type { VmContext, VmState } from './vm-context.ts';

/** A site: its last heartbeat, and the VMs and moves that this process counts there. Owned by a `SiteTable`. */
export interface Site {
  readonly id: string;
  /** Index in the list; -1 before the first heartbeat and after a removal. */
  index: number;
  lat: number;
  lon: number;
  slots: number;
  uplinks: readonly Uplink[];
  draining: boolean;
  /** Who ordered that it drains. */
  drainedBy?: string | undefined;
  reportedAtMs: number;
  /** Time of the last removal; -1: never. Older heartbeats do not add the site again. */
  removedAtMs: number;
  /** Number of VMs in the last heartbeat. */
  reportedVms: number;
  /** The last heartbeat. */
  report?: Data<'site.reported.v1'>;
  /** Pairs from here, by the index of the other site; made on first use. */
  readonly pairs: Map<number, Pair>;
  /** The VMs of this process whose home this is. */
  readonly homes: Set<Vm>;
  /** Number of moves to this site that were ordered and have not ended. */
  inbound: number;
  /** Number of moves from or to this site that were ordered and have not ended. */
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
  /** The last prediction for this pair, before correction. */
  predicted?: { readonly spec: VmSpec; readonly move: PredictedMove };
  /** The last forecast of a move that has its uplinks to itself, as if it were ordered at 0. */
  lone?: { readonly spec: VmSpec; readonly forecast: SharedForecast };
}

/** Measured ÷ predicted, smoothed over the recent moves of a pair. JSON. */
export interface Correction {
  readonly duration: number;
  readonly interruption: number;
  readonly samples: number;
}

/** A user attached to a VM. */
export interface Session extends Reporting {
  readonly user: string;
  weight: number;
  readonly attachedAtMs: number;
  track: Track;
  readonly motion: Motion;
  /** The user's position at the VM's last evaluation (the centre of the quiet radius), and the cosine of that latitude. */
  lookLat: number;
  lookLon: number;
  lookScale: number;
  /** The user's position at the last search of the nearest site, and the km within which that site certainly remains the nearest. */
  anchorLat: number;
  anchorLon: number;
  anchorScale: number;
  certainKm: number;
  /** Index of the nearest site at that search; -1: none so far. */
  near: number;
  /** True if the last evaluation counted the user, who had a position, had not left, and had not fallen silent. */
  active: boolean;
  /** Round-trip times the client measured, by site. */
  rtts?: Rtts;
}

/** The end of a VM's last move. */
export interface LastMove {
  /** The destination. */
  readonly to: string;
  readonly ended: 'completed' | 'failed' | 'cancelled';
  /** The error code of a failed move; the canceller of a cancelled one; empty for a completed one. */
  readonly reason: string;
  readonly atMs: number;
  /** The name of its orderer, or the drain that caused it. */
  readonly orderedBy?: string;
  readonly cancelledBy?: string;
}

/** A VM, its users, and the learned dwell times. Owned by the process to which the VM's partition is assigned. */
export interface Vm {
  readonly id: string;
  spec: VmSpec;
  declaredAtMs: number;
  /** Its affinity to sites; null: it may run anywhere. */
  affinity: Affinity | null;
  home: Site;
  state: VmState;
  context: VmContext;
  sessions: Session[];
  /** The VM's own clock: time of the latest event about it. It never goes back. */
  nowMs: number;
  /** When the VM is evaluated next if no event comes; Infinity: never. */
  wakeAtMs: number;
  /** When the last evaluation expires although no user moves; Infinity: never. */
  recheckAtMs: number;
  /** Quiet radius: how far each user may move before the VM has to be evaluated again; -1: evaluate at the next event. */
  quietKm: number;
  /** The site that serves best now, and the time since which it does. */
  best: string | null;
  bestSinceMs: number;
  /** The site that served best before this one, without an absence in between; null: none did. */
  cameBy: string | null;
  /** Stays of the last periods, until their counts are published. */
  endedStays: readonly EndedStay[];
  dwellTimes: DwellTimes;
  /** The memory of a published rule about this VM (`rules/published/rule.ts`); null: none. JSON. */
  memory: object | null;
  /** The site that it left with its last move, and when. Stored as `left`. */
  cameFrom: { readonly site: string; readonly atMs: number } | null;
  /** The end of its last move; null: it has not moved, or the record is older than version 3. */
  lastMove: LastMove | null;
  /** The times at which moves of the last hour were ordered. */
  movesAtMs: readonly number[];
  /** Times of detachments by user, so that a late `attached` with an older time does not restore a session. */
  detachedAtMs: Record<string, number>;
  /** The reason of the last evaluation. */
  reason: string;
  retired: boolean;
  /** True if the VM has changed since the last `drain`. */
  changed: boolean;
}
