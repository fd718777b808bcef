import type { VmSpec } from '#shared/events/index.ts';
import { type PredictedMove, predictMove } from '#shared/model/move-model.ts';
import { siteRttMs } from '#shared/model/network.ts';
import { pathsBetween } from '#shared/model/paths.ts';
import type { EvaluationSettings } from '#shared/policy/evaluate/evaluator.ts';
import { moveCostUserMs } from '#shared/policy/evaluate/price.ts';
import type { SiteTable } from '#shared/policy/state/sites.ts';

/**
 * A lower bound for the cost of a move by the simulator's own model, if no other move uses its paths.
 *
 * For each site it stores the cost of the cheapest move from or to the site. A move between two sites costs at least the higher of
 * their two figures. If all pairs of sites have the same bandwidth, the bound is exact up to some microseconds of round-trip time.
 */
export class LeastMoveCosts {
  /** By index of the site, in user-milliseconds: the part that grows with the weight of the users, per unit of weight. */
  readonly #perWeight: Float64Array;
  /** By index of the site, in user-milliseconds: the part that does not depend on the users. Infinity: no move is possible. */
  readonly #fixed: Float64Array;
  /** The highest `perWeight` of any site. */
  readonly mostPerWeight: number;
  /** The longest duration of any move, in ms. */
  readonly longestMs: number;

  /** The bound leaves out the disk: a site that kept the disk from an earlier visit receives next to nothing. */
  constructor(sites: SiteTable, settings: EvaluationSettings, spec: VmSpec) {
    const { list } = sites;
    const { policy } = settings;
    const memoryOnly = { ...spec, diskBytes: 0 };
    this.#perWeight = new Float64Array(list.length).fill(Number.POSITIVE_INFINITY);
    this.#fixed = new Float64Array(list.length).fill(Number.POSITIVE_INFINITY);
    let longestMs = 0;
    for (let a = 0; a < list.length; a++) {
      // Both directions have the same paths.
      for (let b = a + 1; b < list.length; b++) {
        const predicted = predictedBetween({ sites, settings }, memoryOnly, a, b);
        if (!predicted.converges) continue;
        longestMs = Math.max(longestMs, predicted.durationMs);
        const fixed = moveCostUserMs(policy, 0, predicted);
        const perWeight = moveCostUserMs(policy, 1, predicted) - fixed;
        for (const site of [a, b]) {
          this.#fixed[site] = Math.min(this.#fixed[site]!, fixed);
          this.#perWeight[site] = Math.min(this.#perWeight[site]!, perWeight);
        }
      }
    }
    this.longestMs = longestMs;
    this.mostPerWeight = this.#perWeight.filter(Number.isFinite).reduce((a, b) => Math.max(a, b), 0);
  }

  /**
   * The least cost of a move between two different sites, in user-milliseconds; Infinity if no move is possible.
   * @param weight sum of the weights of the users at the end of the move
   */
  between(a: number, b: number, weight: number): number {
    const ofA = this.fromOrTo(a, weight);
    const ofB = this.fromOrTo(b, weight);
    return ofA > ofB ? ofA : ofB;
  }

  /** The least cost of a move between any two sites, in user-milliseconds; Infinity if no move is possible. */
  least(weight: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (let site = 0; site < this.#fixed.length; site++) least = Math.min(least, this.fromOrTo(site, weight));
    return least;
  }

  /** The least cost of a move that leaves or enters a site, in user-milliseconds. */
  fromOrTo(site: number, weight: number): number {
    const fixed = this.#fixed[site]!;
    return fixed === Number.POSITIVE_INFINITY ? fixed : fixed + weight * this.#perWeight[site]!;
  }
}

/** The simulator's prediction of a move between two sites, by index, if no other move uses its paths. */
export function predictedBetween(
  { sites: { list, index }, settings: { move, network } }: { sites: SiteTable; settings: EvaluationSettings },
  spec: VmSpec,
  a: number,
  b: number,
): PredictedMove {
  const [from, to] = [list[a]!, list[b]!];
  const paths = pathsBetween({ site: from.id, uplinks: from.uplinks }, { site: to.id, uplinks: to.uplinks });
  return predictMove(move, spec, paths, siteRttMs(network, index.betweenKm(a, b)));
}
