import type { NetworkModel } from '../../../model/network.ts';
import { futureByHops } from './mdp-chain.ts';
import type { PlacementRule, RuleInput } from './rule.ts';

/** The authors' slot. */
const SLOT_S = 60;
/** Parameters of chains are rounded to a grid with this factor between neighbours, so that solved chains can be cached. */
const GRID = 1.1;
const MOST_CHAINS = 10_000;
/** Number of grid positions; the grid covers all positive floating-point numbers. */
const STEPS = 2 ** 15;

/**
 * The distance-based decision process of S. Wang et al. (IEEE/ACM ToN 27(3), 2019; GitHub shiqiangw/service-migration-mdp). It
 * chooses the site with the least sum of the price of the move, the cost of serving for one slot, and the discounted future cost of
 * a chain at that distance.
 *
 * A hop of the chain is the mean distance of the other candidates from the best site. The cost of a hop comes from the network model,
 * and the price of a move from the prediction. The probability that users leave a site comes from the usual dwell time of this VM;
 * the authors count it over all users.
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

/** The nearest position on the grid; the first one for 0. */
function onGrid(figure: number): number {
  return Math.max(-STEPS / 2, Math.round(Math.log(figure) / Math.log(GRID)));
}

/** The mean distance of the candidates (without the home) from the best site, in km. */
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
