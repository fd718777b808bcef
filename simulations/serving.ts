/** What the users' distance from their VMs cost: the serving cost of every moment, added up. */
import { unitVector } from '#shared/geo/distance.ts';
import { type NetworkModel, userRttMs } from '#shared/model/network.ts';
import type { SiteTable } from '#shared/policy/sites.ts';
import type { Session, Vm } from '#shared/policy/vm.ts';

/** A user between two positions. */
interface Leg {
  sinceMs: number;
  rttMs: number;
  excessMs: number;
  weight: number;
}

export interface ServingTotals {
  /** Sum over users and time of weight × excess round-trip time, in user-milliseconds. */
  userMs: number;
  /** Time that users were there, in weighted user-seconds. */
  userS: number;
}

/** Is told of every leg when it is over: it ended at `atMs`, and lasted for so many weighted user-seconds. */
export type OnLeg = (vm: Vm, atMs: number, userS: number, rttMs: number) => void;

export class Serving {
  readonly totals: ServingTotals = { userMs: 0, userS: 0 };
  readonly #sites: SiteTable;
  readonly #network: NetworkModel;
  readonly #silentMs: number;
  readonly #onLeg: OnLeg | undefined;
  readonly #legs = new Map<string, Map<string, Leg>>();
  readonly #probe = new Float64Array(3);

  /** @param silentMs after which a user who says nothing is taken to be gone */
  constructor(sites: SiteTable, network: NetworkModel, silentMs: number, onLeg?: OnLeg) {
    this.#sites = sites;
    this.#network = network;
    this.#silentMs = silentMs;
    this.#onLeg = onLeg;
  }

  /**
   * Closes the legs of a VM's users, and opens new ones from where the users and the VM are now. To be called after each
   * position that counted, when the sessions' `near` is right.
   */
  turn(vm: Vm | undefined, atMs: number): void {
    if (vm === undefined) return;
    let legs = this.#legs.get(vm.id);
    if (legs === undefined) {
      legs = new Map();
      this.#legs.set(vm.id, legs);
    }
    for (const session of vm.sessions) {
      const { user, weight, track } = session;
      if (track.atMs < 0) continue;
      let leg = legs.get(user);
      if (leg === undefined) {
        leg = { sinceMs: atMs, rttMs: 0, excessMs: 0, weight };
        legs.set(user, leg);
      }
      this.#close(vm, leg, atMs);
      leg.sinceMs = atMs;
      leg.weight = weight;
      leg.rttMs = this.#rttMs(vm, session);
      leg.excessMs = Math.max(0, leg.rttMs - vm.spec.targetRttMs);
    }
  }

  #close(vm: Vm, leg: Leg, atMs: number): void {
    const seconds = (Math.min(atMs - leg.sinceMs, this.#silentMs) * leg.weight) / 1000;
    this.totals.userS += seconds;
    this.totals.userMs += seconds * leg.excessMs;
    this.#onLeg?.(vm, atMs, seconds, leg.rttMs);
  }

  #rttMs(vm: Vm, { track, near }: Session): number {
    unitVector(track, this.#probe);
    const km = this.#sites.index.distanceKm(this.#probe, vm.home.index);
    return userRttMs(this.#network, km, near === vm.home.index);
  }
}
