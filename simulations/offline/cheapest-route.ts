/**
 * The cheapest route of one VM over the sites, if the positions of its users are known: dynamic programming over the entries
 * of the itinerary and the sites (a shortest path, S. Wang et al., IEEE ICC 2015).
 *
 * Between two entries the serving cost per second is constant. A planner that knows the future orders a move so early that the
 * VM switches over exactly at an entry. So it is enough to consider moves that switch over at an entry.
 */
import type { EvaluationSettings } from '#shared/policy/evaluate/evaluator.ts';
import type { SiteTable } from '#shared/policy/state/sites.ts';
import type { Itinerary } from './itinerary.ts';
import type { LeastMoveCosts } from './least-move-costs.ts';
import { Legs, leastMovedWeights } from './legs.ts';

/** The VM arrives at a site. The first arrival of a route is the site where the VM is at the beginning. */
export interface Arrival {
  /** Index of the site. */
  readonly site: number;
  /** Number of the entry at which the VM switches over to the site. */
  readonly entry: number;
  /** The number of moves so far, including this one. */
  readonly moves: number;
  /** The cost of these moves, in user-milliseconds. */
  readonly movingUserMs: number;
  readonly previous: Arrival | undefined;
}

/** A route, as the chain of its arrivals. */
export interface Route {
  /** The cost of serving and of moving, in user-milliseconds. */
  readonly totalUserMs: number;
  readonly last: Arrival;
}

/** The data and settings of a planner. */
export interface PlannerInput {
  readonly sites: SiteTable;
  readonly settings: EvaluationSettings;
  readonly moveCosts: LeastMoveCosts;
}

/** A state of the dynamic programming: the VM is at a site. */
interface State {
  readonly site: number;
  readonly arrival: Arrival;
  /** The least cost of being at the site now, serving and moving since the beginning. */
  userMs: number;
  /** The cost of serving from the site in this leg, in user-milliseconds a second. */
  servingRate: number;
}

/** True if a VM that has arrived at a site at one instant may move to another site, and switch over at a later instant. */
export type MayMove = (from: number, to: number, arrivedMs: number, switchMs: number) => boolean;

/**
 * @param itinerary with at least one entry
 * @param mayMove leaves out moves. The route is then a good one, but not the cheapest in every case: a move may be possible later
 *   although it is not possible now, and the states do not remember that.
 */
export function cheapestRoute(
  itinerary: Itinerary,
  { sites, settings, moveCosts }: PlannerInput,
  mayMove?: MayMove,
): Route {
  const { move } = settings;
  const legs = new Legs(itinerary, sites, settings);
  const weights = leastMovedWeights(itinerary, move.releaseMs);
  const start = { site: itinerary.home, entry: 0, moves: 0, movingUserMs: 0, previous: undefined };
  const arrivedMs = ({ arrival }: State) => itinerary.atMs[arrival.entry]!;
  let states: State[] = [{ site: itinerary.home, arrival: start, userMs: 0, servingRate: 0 }];
  /** By site: the last entry at which the site had a state. */
  const lastEntryOf = new Int32Array(sites.list.length).fill(-1);
  for (let entry = 0; entry + 1 < itinerary.atMs.length; entry++) {
    legs.goTo(entry);
    const durationS = legs.durationS(entry);
    const weight = weights[entry]!;
    const atMs = itinerary.atMs[entry]!;
    const canMove = mayMove && ((from: State, site: number) => mayMove(from.site, site, arrivedMs(from), atMs));
    // A move one entry later may cost so much more.
    const dearerUserMs = moveCosts.mostPerWeight * Math.max(0, weights[entry + 1]! - weight);
    states = withoutNeedless(states, moveCosts, weight, canMove);
    for (const state of states) {
      state.servingRate = legs.servingRate(state.site);
      lastEntryOf[state.site] = entry;
    }
    // A move to a site that costs more in this leg can wait until the next entry.
    const boundUserMs = durationS * rateToUndercut(states, moveCosts, weight) + dearerUserMs;
    const origins = states.length;
    for (const site of legs.sitesCheaperThan(durationS === 0 ? 0 : boundUserMs / durationS)) {
      if (lastEntryOf[site] === entry) continue;
      const servingRate = legs.servingRate(site);
      if (durationS * servingRate >= boundUserMs) continue;
      const state = cheapestMoveTo(site, states, origins, entry, moveCosts, weight, canMove);
      if (state === undefined) continue;
      state.servingRate = servingRate;
      states.push(state);
    }
    for (const state of states) state.userMs += durationS * state.servingRate;
  }
  const end = cheapestOf(states);
  return { totalUserMs: end.userMs, last: end.arrival };
}

/** True if a move from a state to a site may switch over now. */
type CanMove = (from: State, site: number) => boolean;

function cheapestOf(states: readonly State[]): State {
  let cheapest = states[0]!;
  for (const state of states) if (state.userMs < cheapest.userMs) cheapest = state;
  return cheapest;
}

/**
 * Removes each state that a move from another state reaches now for no higher cost. Such a site gets a state again as soon as a
 * move to it pays.
 */
function withoutNeedless(
  states: readonly State[],
  moveCosts: LeastMoveCosts,
  weight: number,
  canMove: CanMove | undefined,
): State[] {
  if (states.length === 1) return states as State[];
  const cheapest = cheapestOf(states);
  const isReachable = ({ site, userMs }: State, from: State) =>
    site !== from.site &&
    userMs >= from.userMs + moveCosts.between(from.site, site, weight) &&
    canMove?.(from, site) !== false;
  // The cheapest state comes first, because most others are reachable from it.
  return states.filter(
    (state) =>
      state.userMs < cheapest.userMs + moveCosts.fromOrTo(state.site, weight) ||
      !(isReachable(state, cheapest) || states.some((other) => isReachable(state, other))),
  );
}

/**
 * A move before this leg pays only if the new site costs less in the leg than the site that the VM leaves. The VM leaves the
 * cheapest state, or a state whose lower cost of leaving outweighs its higher cost so far.
 * @returns the highest serving rate of these states, in user-milliseconds a second
 */
function rateToUndercut(states: readonly State[], moveCosts: LeastMoveCosts, weight: number): number {
  const cheapest = cheapestOf(states);
  const leavingUserMs = cheapest.userMs + moveCosts.fromOrTo(cheapest.site, weight);
  let highest = cheapest.servingRate;
  for (const { site, userMs, servingRate } of states) {
    if (servingRate > highest && userMs + moveCosts.fromOrTo(site, weight) <= leavingUserMs) highest = servingRate;
  }
  return highest;
}

/** The state after the cheapest move to a site from one of the first `origins` states. */
function cheapestMoveTo(
  site: number,
  states: readonly State[],
  origins: number,
  entry: number,
  moveCosts: LeastMoveCosts,
  weight: number,
  canMove: CanMove | undefined,
): State | undefined {
  let from: State | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < origins; i++) {
    const userMs = states[i]!.userMs + moveCosts.between(states[i]!.site, site, weight);
    if (userMs >= least || canMove?.(states[i]!, site) === false) continue;
    least = userMs;
    from = states[i]!;
  }
  if (from === undefined) return undefined;
  const previous = from.arrival;
  const movingUserMs = previous.movingUserMs + least - from.userMs;
  return {
    site,
    arrival: { site, entry, moves: previous.moves + 1, movingUserMs, previous },
    userMs: least,
    servingRate: 0,
  };
}
