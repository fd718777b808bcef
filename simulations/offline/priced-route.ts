import type { PlannerInput } from './cheapest-route.ts';
import type { Itinerary } from './itinerary.ts';
import { Legs, leastMovedWeights } from './legs.ts';
import type { SlotPrices } from './slot-prices.ts';

/** A move of a priced route: the sites, and the slots in one of which it switches over. */
export interface PricedMove {
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly last: number;
  /** False: nobody pays for the duration of the move, so its prices are left out. */
  readonly isPriced: boolean;
  /** The cost of the move without its prices, in user-milliseconds. */
  readonly userMs: number;
  readonly previous: PricedMove | undefined;
}

/** A route with its least cost, prices included, in user-milliseconds. */
export interface PricedRoute {
  readonly totalUserMs: number;
  readonly lastMove: PricedMove | undefined;
}

/** Where moves of the search are kept: three numbers each. Reused, because a search considers many. */
let nodes = new Int32Array(3 * 2 ** 16);

/**
 * A lower bound for the cost of a VM if uplinks have prices: dynamic programming over all sites, as `cheapestRoute`, but without its
 * shortcuts, which need prices that do not change.
 *
 * A run may switch over at any instant between two entries. It then pays at least as if it had switched over at one of the two, at the
 * least price between the entry before and the entry after that.
 */
export function pricedRoute(
  itinerary: Itinerary,
  { sites, settings, moveCosts }: PlannerInput,
  { from, to }: { readonly from: SlotPrices; readonly to: SlotPrices },
): PricedRoute {
  const { atMs, home } = itinerary;
  const count = sites.list.length;
  const legs = new Legs(itinerary, sites, settings);
  const weights = leastMovedWeights(itinerary, settings.move.releaseMs);
  const cost = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const node = new Int32Array(count).fill(-1);
  cost[home] = 0;
  let used = 0;
  let [moveWeight, moveUserMs] = [-1, 0];
  const slotsAt = (entry: number): [number, number] => [
    from.slotOf(atMs[Math.max(0, entry - 1)]!),
    from.slotOf(atMs[Math.min(atMs.length - 1, entry + 1)]!),
  ];
  for (let entry = 0; entry + 1 < atMs.length; entry++) {
    legs.goTo(entry);
    const durationS = legs.durationS(entry);
    const weight = weights[entry]!;
    const [first, last] = slotsAt(entry);
    if (weight !== moveWeight) [moveWeight, moveUserMs] = [weight, moveCosts.least(weight)];
    let origin = -1;
    let leaving = Number.POSITIVE_INFINITY;
    for (let site = 0; site < count; site++) {
      if (cost[site]! >= leaving) continue;
      const userMs = cost[site]! + (weight > 0 ? from.least(site, first, last) : 0);
      if (userMs >= leaving) continue;
      leaving = userMs;
      origin = site;
    }
    const originNode = node[origin]!;
    for (let site = 0; site < count; site++) {
      let userMs = leaving + moveUserMs;
      if (userMs < cost[site]! && site !== origin) {
        if (weight > 0) userMs += to.least(site, first, last);
        if (userMs < cost[site]!) {
          cost[site] = userMs;
          if (3 * used + 3 > nodes.length) nodes = grown(nodes);
          nodes.set([site, entry, originNode], 3 * used);
          node[site] = used++;
        }
      }
      cost[site]! += durationS * legs.servingRate(site);
    }
  }
  const end = cost.reduce((best, userMs, site) => (userMs < cost[best]! ? site : best), home);
  const moveOf = (number: number): PricedMove | undefined => {
    if (number < 0) return undefined;
    const [site, entry, before] = [nodes[3 * number]!, nodes[3 * number + 1]!, nodes[3 * number + 2]!];
    const [first, last] = slotsAt(entry);
    const weight = weights[entry]!;
    const move = { from: before < 0 ? home : nodes[3 * before]!, to: site, first, last };
    return { ...move, isPriced: weight > 0, userMs: moveCosts.least(weight), previous: moveOf(before) };
  };
  return { totalUserMs: cost[end]!, lastMove: moveOf(node[end]!) };
}

function grown(array: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}
