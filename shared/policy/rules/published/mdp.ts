import type { NetworkModel } from '../../../model/network.ts';
import { futureByHops } from './mdp-chain.ts';
import type { PlacementRule, RuleInput } from './rule.ts';

/** The authors' slot. */
const SLOT_S = 60;
/** Chains are solved for figures this factor apart, and kept. */
const GRID = 1.1;
const MOST_CHAINS = 10_000;
/** Places on the grid that are told apart: from the smallest number there is to the largest. */
const STEPS = 2 ** 15;

/**
 * The distance-based decision process of S. Wang et al. (IEEE/ACM ToN 27(3), 2019; GitHub shiqiangw/service-migration-mdp):
 * the site for which moving there, being served from there for a slot, and the discounted future of a chain at that
 * distance come to the least.
 *
 * In the chain a hop is the distance between neighbouring sites, here of the best site from the other candidates. What a
 * hop costs comes from the network model, what a move costs from the candidates, and how often users leave a site, which the
 * authors count over all users, from how long those of this VM usually stay.
 */
export function mdp(network: NetworkModel): PlacementRule {
  const chains = new Map<number, Float64Array>();
  const chainOf = (r: number, hopMs: number, moveMs: number): Float64Array => {
    const steps = [onGrid(r), onGrid(hopMs), onGrid(moveMs)];
    const key = steps.reduce((sum, step) => sum * STEPS + (step + STEPS / 2), 0);
    let chain = chains.get(key);
    if (chain === undefined) {
      const [leaving, hop, move] = steps.map((step) => GRID ** step) as [number, number, number];
      const serve = (hops: number) => (hops === 0 ? 0 : (SLOT_S * (network.transitMs + hop * hops)) / move);
      chain = futureByHops({ move: () => 1, serve }, leaving).map((value) => value * move);
      if (chains.size >= MOST_CHAINS) chains.clear();
      chains.set(key, chain);
    }
    return chain;
  };
  return {
    name: 'mdp',
    begin: () => ({}),
    choose(view) {
      const { sites, serving, best, weight, usualDwellMs } = view;
      const hopKm = meanHopKm(view);
      if (hopKm === 0) return best;
      const moveCostUserMs = view.moveCostUserMs(0, best === 0 ? 1 : best);
      const r = (1 - Math.exp((-SLOT_S * 1000) / usualDwellMs)) / 6;
      const chain = chainOf(r, hopKm * network.msPerKm * network.detour, moveCostUserMs / weight);
      let chosen = 0;
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < sites.length; i++) {
        const hops = i === best ? 0 : Math.max(1, Math.round(view.km(i, best) / hopKm));
        const ahead = weight * chain[Math.min(hops, chain.length - 1)]!;
        const costUserMs = view.moveCostUserMs(0, i) + SLOT_S * serving[i]! + ahead;
        if (costUserMs >= least) continue;
        least = costUserMs;
        chosen = i;
      }
      return chosen;
    },
  };
}

/** The nearest place on the grid; the first one for 0. */
function onGrid(figure: number): number {
  return Math.max(-STEPS / 2, Math.round(Math.log(figure) / Math.log(GRID)));
}

/** How far the candidates beside the home are from the best site, on average. */
function meanHopKm(view: RuleInput): number {
  const { sites, best } = view;
  let sum = 0;
  let count = 0;
  for (let i = 1; i < sites.length; i++) {
    if (i === best) continue;
    sum += view.km(i, best);
    count++;
  }
  return count === 0 ? 0 : sum / count;
}
