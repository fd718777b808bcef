/**
 * The cheapest way of a VM from site to site where the places of its users are known: dynamic programming over
 * positions and sites (a shortest path, S. Wang et al., IEEE ICC 2015). What serving costs is constant between two entries of an itinerary,
 * and a planner that knows the future orders a move so early that it switches over at one.
 */
import type { EvaluationSettings } from '#shared/policy/evaluate/evaluator.ts';
import type { SiteTable } from '#shared/policy/state/sites.ts';
import type { Itinerary } from './itinerary.ts';
import { Legs, movedWeights } from './legs.ts';
import type { LeastMoveCosts } from './moveCosts.ts';

/** Coming to a site; the first is where the VM was at the beginning. */
export interface Arrival {
  /** Index of the site. */
  readonly site: number;
  /** Number of the position at which it switches over. */
  readonly position: number;
  /** Moves so far, this one included. */
  readonly moves: number;
  readonly movingUserMs: number;
  readonly previous: Arrival | undefined;
}

export interface Route {
  readonly totalUserMs: number;
  readonly last: Arrival;
}

/** The parameters of planning. */
export interface PlannerInput {
  readonly sites: SiteTable;
  readonly settings: EvaluationSettings;
  readonly moveCosts: LeastMoveCosts;
}

/** Being at a site: what it has cost at least to come to be there now. */
interface Stop {
  readonly site: number;
  readonly arrival: Arrival;
  userMs: number;
  /** Serving from there in this leg, in user-milliseconds a second. */
  rate: number;
}

/** @param itinerary with at least one position */
export function cheapestRoute(itinerary: Itinerary, { sites, settings, moveCosts }: PlannerInput): Route {
  const { policy, move } = settings;
  const legs = new Legs(itinerary, sites, settings);
  const weights = movedWeights(itinerary, policy.sessionTimeoutMs, move.releaseMs);
  const start = { site: itinerary.home, position: 0, moves: 0, movingUserMs: 0, previous: undefined };
  let stops: Stop[] = [{ site: itinerary.home, arrival: start, userMs: 0, rate: 0 }];
  /** By site: the last position at which it was a stop. */
  const stoppedAt = new Int32Array(sites.list.length).fill(-1);
  for (let position = 0; position + 1 < itinerary.atMs.length; position++) {
    legs.take(position);
    const servedS = legs.servedS(position);
    const weight = weights[position]!;
    const dearerUserMs = moveCosts.mostPerWeight * Math.max(0, weights[position + 1]! - weight);
    stops = worthKeeping(stops, moveCosts, weight);
    for (const stop of stops) {
      stop.rate = legs.rate(stop.site);
      stoppedAt[stop.site] = position;
    }
    const boundUserMs = servedS * worstRate(stops, moveCosts, weight) + dearerUserMs;
    const known = stops.length;
    for (const site of legs.cheaperThan(servedS === 0 ? 0 : boundUserMs / servedS)) {
      if (stoppedAt[site] === position) continue;
      const rate = legs.rate(site);
      if (servedS * rate >= boundUserMs) continue;
      const stop = enter(stops, known, site, position, moveCosts, weight);
      if (stop === undefined) continue;
      stop.rate = rate;
      stops.push(stop);
    }
    for (const stop of stops) stop.userMs += servedS * stop.rate;
  }
  const end = cheapestOf(stops);
  return { totalUserMs: end.userMs, last: end.arrival };
}

function cheapestOf(stops: readonly Stop[]): Stop {
  let cheapest = stops[0]!;
  for (const stop of stops) if (stop.userMs < cheapest.userMs) cheapest = stop;
  return cheapest;
}

/** Without those to which it is as cheap to come now from another: they are come to when they are of use. */
function worthKeeping(stops: readonly Stop[], moveCosts: LeastMoveCosts, weight: number): Stop[] {
  if (stops.length === 1) return stops as Stop[];
  const cheapest = cheapestOf(stops);
  const reachable = ({ site, userMs }: Stop, from: Stop) =>
    site !== from.site && userMs >= from.userMs + moveCosts.between(from.site, site, weight);
  // From the cheapest first, because that is where most are come to from.
  return stops.filter(
    (stop) =>
      stop.userMs < cheapest.userMs + moveCosts.of(stop.site, weight) ||
      !(reachable(stop, cheapest) || stops.some((other) => reachable(stop, other))),
  );
}

/**
 * To come to a site before a leg is of use only where serving from it in this leg costs less than from where one would come
 * from. That is the cheapest stop, or one that is cheaper to leave by more than it costs more.
 */
function worstRate(stops: readonly Stop[], moveCosts: LeastMoveCosts, weight: number): number {
  const cheapest = cheapestOf(stops);
  const leavingUserMs = cheapest.userMs + moveCosts.of(cheapest.site, weight);
  let worst = cheapest.rate;
  for (const { site, userMs, rate } of stops) {
    if (rate > worst && userMs + moveCosts.of(site, weight) <= leavingUserMs) worst = rate;
  }
  return worst;
}

/** Comes to a site from wherever that is cheapest, of the first so many stops. */
function enter(
  stops: readonly Stop[],
  count: number,
  site: number,
  position: number,
  moveCosts: LeastMoveCosts,
  weight: number,
): Stop | undefined {
  let from: Stop | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    const userMs = stops[i]!.userMs + moveCosts.between(stops[i]!.site, site, weight);
    if (userMs >= least) continue;
    least = userMs;
    from = stops[i]!;
  }
  if (from === undefined) return undefined;
  const previous = from.arrival;
  const movingUserMs = previous.movingUserMs + least - from.userMs;
  return {
    site,
    arrival: { site, position, moves: previous.moves + 1, movingUserMs, previous },
    userMs: least,
    rate: 0,
  };
}
