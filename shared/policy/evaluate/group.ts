/**
 * VMs that move in a group. The lead decides for all: its move is priced with those of the VMs that go along, and refused unless all of
 * them can go. Each of these then follows the lead.
 */
import type { PredictedMove } from '../../model/move-model.ts';
import { leads, type Peers, siteOf } from '../state/peers.ts';
import type { SiteTable } from '../state/sites.ts';
import type { Pair, Site, Vm } from '../state/state.ts';
import { isAllowed } from './affinity.ts';
import type { Estimates } from './estimates.ts';

/** A VM that goes along with its lead, and the prediction of its move before the pair's correction. */
export interface Companion {
  readonly vm: Vm;
  readonly predicted: PredictedMove;
}

const NOBODY: readonly Companion[] = [];
const NO_PULLS: readonly Pull[] = [];

/** The site of another VM of the group, and what each second anywhere else costs. */
export interface Pull {
  readonly site: string;
  readonly userMsPerS: number;
}

/** Answers the questions of evaluations about groups. */
export class Groups {
  readonly #peers: Peers;
  readonly #sites: SiteTable;
  readonly #estimates: Estimates;

  constructor(peers: Peers, sites: SiteTable, estimates: Estimates) {
    this.#peers = peers;
    this.#sites = sites;
    this.#estimates = estimates;
  }

  /** The VMs that go along when a lead moves: those that follow it and are where it is, or on their way to it. None for other VMs. */
  companions(vm: Vm, pair: Pair): readonly Companion[] {
    if (!leads(vm)) return NOBODY;
    const along = this.#peers.followersOf(vm.id).filter((other) => siteOf(other) === pair.from.id);
    return along.map((other) => ({ vm: other, predicted: this.#estimates.predict(other.spec, pair) }));
  }

  /**
   * The cost for a VM of being apart, by the sites of the others. A VM that follows pays for any site but that of its lead. A lead pays for any
   * site but theirs for those that cannot come to it; it waits for the others.
   */
  pulls(vm: Vm): readonly Pull[] {
    const lead = this.#peers.leadOf(vm);
    if (lead !== undefined) return [{ site: siteOf(lead), userMsPerS: apartUserMsPerS(vm) }];
    if (!leads(vm)) return NO_PULLS;
    const followers = this.#peers.followersOf(vm.id);
    const away = followers.filter((other) => isElsewhere(other, vm.home.id) && !this.#comes(other, vm.home));
    return away.map((other) => ({ site: other.home.id, userMsPerS: apartUserMsPerS(other) }));
  }

  /**
   * The cost and time that companions add to a move: their moves, and the time for which they are apart from the lead. They share its paths, so all moves
   * together take as long as one after the other, and each companion is apart until its own move has ended.
   * @param weight sum of the weights of the lead's users, who feel the moves of all
   */
  priceOf(companions: readonly Companion[], pair: Pair, weight: number): { durationMs: number; costUserMs: number } {
    let [durationMs, costUserMs] = [0, 0];
    for (const { vm, predicted } of companions) {
      durationMs += predicted.durationMs * pair.correction.duration;
      costUserMs += this.#estimates.costUserMs(pair, predicted, weight);
      costUserMs += (apartUserMsPerS(vm) * durationMs) / 1000;
    }
    return { durationMs, costUserMs };
  }

  /**
   * True if it is the VM's turn to follow its lead to a site: those before it, in order of names, are there, under way, or cannot go.
   * So the moves of a group do not depend on the order in which its VMs are evaluated.
   */
  isNext(vm: Vm, lead: Vm, site: Site): boolean {
    for (const other of this.#peers.followersOf(lead.id)) {
      if (other === vm) return true;
      if (isElsewhere(other, site.id) && this.#comes(other, site)) return false;
    }
    return true;
  }

  /**
   * True if a VM that is elsewhere, and does not move, can be expected to come by itself. False if another VM is there from which it is
   * kept apart, if its last move failed, if the site is forbidden, unknown or without a path, or if the copy would not converge.
   */
  #comes(vm: Vm, site: Site): boolean {
    if (this.#peers.isShared(vm, site.id)) return false;
    const { home, spec, affinity, lastMove } = vm;
    if (lastMove?.ended === 'failed' || home.index < 0 || site.index < 0 || !isAllowed(affinity, site.id)) return false;
    const pair = this.#sites.pair(home, site);
    return pair.paths.length > 0 && this.#estimates.predict(spec, pair).converges;
  }
}

/** True if the VM is at another site than this one, and does not move. */
function isElsewhere({ home, context }: Vm, site: string): boolean {
  return context.move === null && home.id !== site;
}

function apartUserMsPerS({ affinity }: Vm): number {
  return affinity?.group?.apartUserMsPerS ?? 0;
}
