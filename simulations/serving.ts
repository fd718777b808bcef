/**
 * Sums up the serving cost: users far from their VMs have a round-trip time above the target, and each moment of that costs.
 * Runs, reports and yardsticks all measure serving time by one rule, so all policies pay for the same time of the same users: a user
 * is present from one position to the next, but not beyond `activeUntilMs` of the first, and not after the last one.
 */
import { unitVector } from '#shared/geo/distance.ts';
import { type NetworkModel, userRttMs } from '#shared/model/network.ts';
import { activeUntilMs } from '#shared/policy/state/presence.ts';
import type { SiteTable } from '#shared/policy/state/sites.ts';
import type { Session, Site, Vm } from '#shared/policy/state/state.ts';

/** A user of a VM from the last position on. The time counts when the next position arrives. */
interface Leg {
  readonly user: string;
  atMs: number;
  lat: number;
  lon: number;
  /** Index of the nearest site. */
  near: number;
  weight: number;
  /** Until when the user is present without another position; Infinity: until the next one. */
  presentUntilMs: number;
}

/** A stay of a VM at one site. */
export interface Stay {
  readonly vm: Vm;
  readonly site: Site;
  /** When the VM switched over to this site; at the first site, the first position of its users. */
  readonly fromMs: number;
  /** When the VM switched over to the next site; Infinity while it is here. */
  toMs: number;
  /** The cost of serving from this site so far, in user-milliseconds. */
  userMs: number;
}

/** The data that `Serving` stores about one VM. */
export interface Account {
  readonly vm: Vm;
  /** One for each user. This list and the next grow by `concat`: `push` would reserve room for 16 more. */
  legs: readonly Leg[];
  /** In order of time: the past stays that a late position can still make count, then the present stay. */
  stays: readonly Stay[];
}

export interface ServingTotals {
  /** Sum over users and time of weight × excess round-trip time, in user-milliseconds. */
  userMs: number;
  /** Time that users were there: milliseconds × weight, a whole number where weights are. */
  weightedMs: number;
}

/** Receives each part of the serving cost as soon as it is certain. */
export interface ServingWatcher {
  /** A VM begins a stay. @param before its last stay; undefined at the first site */
  stayBegan(stay: Stay, before: Stay | undefined): void;
  /**
   * A VM served a user up to `atMs`. The stay may be over.
   * @param userS how long, in seconds × weight
   */
  served(stay: Stay, atMs: number, userS: number, rttMs: number): void;
}

/** The parameters of serving. */
export interface ServingOptions {
  readonly sites: SiteTable;
  readonly network: NetworkModel;
  /** A user without a position for so long counts as gone, unless the last one said otherwise. */
  readonly silentMs: number;
  /** A position may be so late and still count. */
  readonly lateMs: number;
  readonly watcher?: ServingWatcher | undefined;
}

/** The cost of serving a user from a site, in user-milliseconds a second: the round-trip time above the target. */
export function excessRttMs(rttMs: number, { spec }: { readonly spec: Vm['spec'] }): number {
  return Math.max(0, rttMs - spec.targetRttMs);
}

const NONE: readonly never[] = [];

/** Sums up the serving cost of all VMs of a run. */
export class Serving {
  readonly totals: ServingTotals = { userMs: 0, weightedMs: 0 };
  readonly #options: ServingOptions;
  readonly #accounts = new Map<Vm, Account>();
  readonly #probe = new Float64Array(3);

  constructor(options: ServingOptions) {
    this.#options = options;
  }

  /** The account of a VM; empty until one of its users has a position. */
  accountOf(vm: Vm): Account {
    let account = this.#accounts.get(vm);
    if (account === undefined) {
      account = { vm, legs: NONE, stays: NONE };
      this.#accounts.set(vm, account);
    }
    return account;
  }

  /** Charges the time since the user's last position. Call it after the session has received a new one. */
  located(account: Account, { user, weight, track, near, presence }: Session): void {
    const { legs } = account;
    const { atMs, lat, lon } = track;
    const presentUntilMs = activeUntilMs(presence, atMs, this.#options.silentMs);
    if (account.stays.length === 0) this.#begin(account, account.vm.home, atMs);
    let leg = legOf(legs, user);
    if (leg === undefined) {
      leg = { user, atMs, lat, lon, near, weight, presentUntilMs };
      account.legs = legs.concat(leg);
      return;
    }
    this.#close(account, leg, Math.min(atMs, leg.presentUntilMs));
    leg.atMs = atMs;
    leg.lat = lat;
    leg.lon = lon;
    leg.near = near;
    leg.weight = weight;
    leg.presentUntilMs = presentUntilMs;
  }

  /** Begins the VM's stay at the site to which it has switched over. */
  switched(vm: Vm, site: Site, atMs: number): void {
    const account = this.accountOf(vm);
    const last = account.stays.at(-1);
    // The VM has not served any user yet.
    if (last === undefined) return;
    last.toMs = atMs;
    account.stays = account.stays.filter((stay) => this.#canCount(account, stay, atMs));
    this.#begin(account, site, atMs);
  }

  #begin(account: Account, site: Site, fromMs: number): void {
    const before = account.stays.at(-1);
    const stay: Stay = { vm: account.vm, site, fromMs, toMs: Number.POSITIVE_INFINITY, userMs: 0 };
    account.stays = account.stays.concat(stay);
    this.#options.watcher?.stayBegan(stay, before);
  }

  /** True: a position that arrives from now on can still charge time in this stay, which is over. */
  #canCount({ legs }: Account, { fromMs, toMs }: Stay, nowMs: number): boolean {
    const { lateMs } = this.#options;
    return toMs > nowMs - lateMs || legs.some((leg) => toMs > leg.atMs && fromMs < leg.presentUntilMs);
  }

  /** Charges a leg to the stays that it overlaps. It runs for each position, so it uses no iterators. */
  #close({ stays }: Account, leg: Leg, untilMs: number): void {
    this.totals.weightedMs += (untilMs - leg.atMs) * leg.weight;
    let fromMs = leg.atMs;
    for (let i = 0; i < stays.length && fromMs < untilMs; i++) {
      const stay = stays[i]!;
      if (stay.toMs <= fromMs) continue;
      const toMs = Math.min(stay.toMs, untilMs);
      this.#serve(stay, leg, toMs, ((toMs - fromMs) * leg.weight) / 1000);
      fromMs = toMs;
    }
  }

  #serve(stay: Stay, leg: Leg, atMs: number, userS: number): void {
    const { sites, network, watcher } = this.#options;
    unitVector(leg, this.#probe);
    const { index } = stay.site;
    const rttMs = userRttMs(network, sites.index.distanceKm(this.#probe, index), leg.near === index);
    const userMs = userS * excessRttMs(rttMs, stay.vm);
    stay.userMs += userMs;
    this.totals.userMs += userMs;
    watcher?.served(stay, atMs, userS, rttMs);
  }
}

/** A VM has few users, so a scan is faster than a map. */
function legOf(legs: readonly Leg[], user: string): Leg | undefined {
  for (let i = 0; i < legs.length; i++) if (legs[i]!.user === user) return legs[i];
  return undefined;
}
