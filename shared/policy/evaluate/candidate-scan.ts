/** Scans one VM: the positions of its users, the sites near them, and the cost of serving the users from each site. */
import type { Affinity } from '../../events/index.ts';
import { lonScale, nearKm2, unitVector } from '../../geo/distance.ts';
import { type NetworkModel, userRttMs } from '../../model/network.ts';
import { activeUntilMs, presentUntilMs } from '../state/presence.ts';
import { RTT_HOLDS_MS } from '../state/rtts.ts';
import type { SiteTable } from '../state/sites.ts';
import type { Session, Site, Vm } from '../state/state.ts';
import { isAllowed, preferenceUserMsPerS } from './affinity.ts';
import type { Groups, Pull } from './group.ts';

/** Nearest sites searched for each user; the union over the users is the set of candidates. */
const NEIGHBOURS = 6;
/** Number of sites near the home that are considered for an evacuation. */
const REFUGES = 32;

/** Reduces a radius, because it is compared with flat-earth distances (`nearKm2`: below 0.5 % off within 100 km). */
export const SAFETY = 0.98;
/** Farther than anything on the earth. */
const ANYWHERE_KM = 1e6;

/** The scan of one VM at one instant. The object is reused: the next scan overwrites the results of the last one. */
export class CandidateScan {
  /** The VM's home first, then the sites near its users and those that its declaration names. */
  readonly candidates: Site[] = [];
  /** The cost of serving from each candidate, in user-milliseconds a second. */
  readonly serving: number[] = [];
  /** Users who have a position, have not left, and have not fallen silent. */
  readonly active: Session[] = [];
  /** Sum of their weights. */
  weight = 0;
  /** Time of the oldest position that counts. */
  oldestFixMs = 0;
  /** Time of the newest one. */
  newestFixMs = 0;
  /** Until when somebody of them counts as there without a further report. */
  presentUntilMs = 0;
  /** Crossing time: ms that the fastest user with a journey, present or past, needs from one site to the next; Infinity: none. */
  crossingMs = Number.POSITIVE_INFINITY;
  /** The latest time at which a user stopped after a journey, in ms since the epoch; -1: none did. */
  restingSinceMs = -1;
  readonly #sites: SiteTable;
  readonly #network: NetworkModel;
  readonly #sessionTimeoutMs: number;
  readonly #found = new Int32Array(NEIGHBOURS);
  readonly #km = new Float64Array(NEIGHBOURS);
  /** For each active user: the nearest site, the km within which that is certain, and the unit vector of the position. */
  readonly #nearest: number[] = [];
  readonly #certainKm: number[] = [];
  readonly #probes: Float64Array[] = [];
  readonly #order: number[] = [];
  #targetRttMs = 0;
  #nowMs = 0;
  #affinity: Affinity | null = null;
  /** The only sites that can become candidates; undefined: all. */
  #allowed: readonly string[] | undefined;
  #pulls: readonly Pull[] = [];
  readonly #groups: Groups;

  constructor(sites: SiteTable, network: NetworkModel, sessionTimeoutMs: number, groups: Groups) {
    this.#sites = sites;
    this.#network = network;
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#groups = groups;
  }

  /**
   * Scans a VM, without changes to it.
   * @param everywhere true: near sites where the VM may not run are candidates, too, so that an explanation can show them
   */
  scan(vm: Vm, nowMs: number, everywhere = false): void {
    this.candidates.length = 0;
    this.serving.length = 0;
    this.active.length = 0;
    this.weight = 0;
    this.oldestFixMs = nowMs;
    this.newestFixMs = Number.NEGATIVE_INFINITY;
    this.presentUntilMs = Number.NEGATIVE_INFINITY;
    this.crossingMs = Number.POSITIVE_INFINITY;
    this.restingSinceMs = -1;
    this.#targetRttMs = vm.spec.targetRttMs;
    this.#nowMs = nowMs;
    this.#affinity = vm.affinity;
    this.#allowed = everywhere ? undefined : vm.affinity?.allowed;
    this.candidates.push(vm.home);
    for (const session of vm.sessions) {
      const { track, presence } = session;
      if (track.atMs >= 0 && nowMs < activeUntilMs(presence, track.atMs, this.#sessionTimeoutMs)) this.#visit(session);
    }
    if (vm.affinity !== null) {
      this.#pulls = this.#groups.pulls(vm);
      this.#addNamed(vm.affinity);
    }
    for (const site of this.candidates) this.serving.push(this.servingFrom(site));
  }

  /** Makes the present positions of the users the anchors with which later positions are compared. */
  anchor(vm: Vm): void {
    for (const session of vm.sessions) session.active = false;
    this.active.forEach((session, i) => {
      session.active = true;
      anchor(session, this.#nearest[i]!, this.#certainKm[i]!);
      session.lookLat = session.anchorLat;
      session.lookLon = session.anchorLon;
      session.lookScale = session.anchorScale;
    });
  }

  /**
   * Sum over the active users of weight × excess round-trip time, and what the declaration adds for the site, in user-milliseconds a
   * second.
   */
  servingFrom(site: Site): number {
    // A removed destination serves nobody. One without a heartbeat is assumed to serve as the home does.
    if (site.index < 0) return site.removedAtMs >= 0 ? Number.POSITIVE_INFINITY : (this.serving[0] ?? 0);
    let sum = 0;
    for (let i = 0; i < this.active.length; i++) {
      const session = this.active[i]!;
      const { rtts } = session;
      const measured = rtts !== undefined && Object.hasOwn(rtts, site.id) ? rtts[site.id] : undefined;
      const rttMs =
        measured !== undefined && this.#nowMs - measured.atMs <= RTT_HOLDS_MS
          ? measured.rttMs
          : userRttMs(
              this.#network,
              this.#sites.index.distanceKm(this.#probes[i]!, site.index),
              this.#nearest[i] === site.index,
            );
      if (rttMs > this.#targetRttMs) sum += session.weight * (rttMs - this.#targetRttMs);
    }
    return this.#affinity === null ? sum : sum + this.#declaredUserMsPerS(this.#affinity, site.id);
  }

  #declaredUserMsPerS(affinity: Affinity, site: string): number {
    let sum = preferenceUserMsPerS(affinity, site);
    for (const pull of this.#pulls) if (pull.site !== site) sum += pull.userMsPerS;
    return sum;
  }

  /** The sites to which the VM may flee: the candidates, and the sites nearest to its home. */
  refuges({ home }: Vm): Set<Site> {
    const [probe, found] = [new Float64Array(3), new Int32Array(REFUGES)];
    unitVector(home, probe);
    const count = this.#sites.index.nearest(probe, home, REFUGES, found, new Float64Array(REFUGES));
    const near = Array.from(found.subarray(0, count), (i) => this.#sites.list[i]!);
    return new Set([...this.candidates.slice(1), ...near]);
  }

  /** Index of the candidate that serves best; 0, the home, if none serves better. */
  best(): number {
    return lowest(this.serving, 0);
  }

  /** Index of the candidate that serves best apart from the home; undefined if there is no other site. */
  bestOther(): number | undefined {
    return this.serving.length > 1 ? lowest(this.serving, 1) : undefined;
  }

  /** Indices of the candidates apart from the home, the best one first. The array is reused. */
  ranked(): readonly number[] {
    const { serving } = this;
    this.#order.length = 0;
    for (let i = 1; i < serving.length; i++) {
      let at = this.#order.push(i) - 1;
      for (; at > 0 && serving[this.#order[at - 1]!]! > serving[i]!; at--) this.#order[at] = this.#order[at - 1]!;
      this.#order[at] = i;
    }
    return this.#order;
  }

  /** True while the user stays within the VM's quiet radius, and the site nearest to the user remains the same. */
  isQuiet({ quietKm }: Vm, session: Session): boolean {
    const { track, lookLat, lookLon, lookScale, anchorLat, anchorLon, anchorScale, certainKm } = session;
    if (quietKm < 0 || nearKm2(lookLat, lookLon, lookScale, track.lat, track.lon) > quietKm * quietKm) return false;
    if (nearKm2(anchorLat, anchorLon, anchorScale, track.lat, track.lon) <= certainKm * certainKm) return true;
    return this.#sameNearest(session);
  }

  /**
   * True if the nearest site of a user has not changed. Also sets the anchor of the user, and the distance within which the nearest
   * site is certain, anew. It costs a tenth of a scan, and suffices for a user who walks along the border between two sites.
   */
  #sameNearest(session: Session): boolean {
    const { near, track } = session;
    const probe = this.#probe(0);
    unitVector(track, probe);
    const count = this.#sites.index.nearestFrom(near, probe, track, 2, this.#found, this.#km);
    anchor(session, this.#found[0]!, this.#certain(count));
    return session.near === near;
  }

  #visit(session: Session): void {
    const { track } = session;
    const user = this.active.push(session) - 1;
    const probe = this.#probe(user);
    unitVector(track, probe);
    const count = this.#sites.index.nearestFrom(session.near, probe, track, NEIGHBOURS, this.#found, this.#km);
    this.#nearest[user] = this.#found[0]!;
    this.#certainKm[user] = this.#certain(count);
    this.weight += session.weight;
    const { travelling, restingSinceMs, speedMps } = session.motion;
    this.restingSinceMs = Math.max(this.restingSinceMs, restingSinceMs);
    if ((travelling || restingSinceMs >= 0) && count > 1) {
      // The sum of a user's distances to the two nearest sites approximates the distance between these sites.
      const apartKm = this.#km[0]! + this.#km[1]!;
      this.crossingMs = Math.min(this.crossingMs, (apartKm * 1_000_000) / speedMps);
    }
    if (track.atMs < this.oldestFixMs) this.oldestFixMs = track.atMs;
    if (track.atMs > this.newestFixMs) this.newestFixMs = track.atMs;
    this.presentUntilMs = Math.max(this.presentUntilMs, presentUntilMs(session, this.#sessionTimeoutMs));
    for (let i = 0; i < count; i++) {
      const site = this.#sites.list[this.#found[i]!]!;
      if (this.#allowed !== undefined && !this.#allowed.includes(site.id)) continue;
      if (!this.candidates.includes(site)) this.candidates.push(site);
    }
  }

  /** Sites that the declaration names, and those of its group, are candidates however far they are from the users. */
  #addNamed(affinity: Affinity): void {
    const { allowed = [], preferred = [] } = affinity;
    for (const name of [...allowed, ...preferred, ...this.#pulls.map(({ site }) => site)]) {
      const site = this.#sites.get(name);
      if (site === undefined || site.index < 0 || !isAllowed(affinity, name)) continue;
      if (!this.candidates.includes(site)) this.candidates.push(site);
    }
  }

  /** Distance in km within which the nearest site is certain: (km₂ - km₁) / 2, by the triangle inequality. */
  #certain(found: number): number {
    return found > 1 ? (SAFETY * (this.#km[1]! - this.#km[0]!)) / 2 : ANYWHERE_KM;
  }

  #probe(i: number): Float64Array {
    let probe = this.#probes[i];
    if (probe === undefined) {
      probe = new Float64Array(3);
      this.#probes.push(probe);
    }
    return probe;
  }
}

function anchor(session: Session, near: number, certainKm: number): void {
  const { track } = session;
  session.anchorLat = track.lat;
  session.anchorLon = track.lon;
  session.anchorScale = lonScale(track.lat);
  session.near = near;
  session.certainKm = certainKm;
}

function lowest(values: readonly number[], from: number): number {
  let best = from;
  for (let i = from + 1; i < values.length; i++) if (values[i]! < values[best]!) best = i;
  return best;
}
