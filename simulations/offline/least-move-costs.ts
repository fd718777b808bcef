import type { VmSpec } from '#shared/events/index.ts';
import { predictMove } from '#shared/model/move-model.ts';
import { siteRttMs } from '#shared/model/network.ts';
import { pathsBetween } from '#shared/model/paths.ts';
import type { EvaluationSettings } from '#shared/policy/evaluate/evaluator.ts';
import { moveCostUserMs } from '#shared/policy/evaluate/price.ts';
import type { SiteTable } from '#shared/policy/state/sites.ts';

/**
 * The least cost of moves by the simulator's own model, with no other move on their paths. For each site it stores the cheapest
 * move from or to it. A move between two sites then costs at least the dearer of their two figures. Where all sites are connected
 * alike it costs exactly that, but for some microseconds of round trip.
 */
export class LeastMoveCosts {
  /** By the index of the site, in user-milliseconds: for each unit of the users' weight, and for the bytes. */
  readonly #perWeight: Float64Array;
  readonly #fixed: Float64Array;
  /** The most that any site has for each unit of weight. */
  readonly mostPerWeight: number;

  /** The disk is left out: a site that readAll it from an earlier visit is sent next to nothing. */
  constructor({ list, index }: SiteTable, { move, policy, network }: EvaluationSettings, spec: VmSpec) {
    const memoryOnly = { ...spec, diskBytes: 0 };
    this.#perWeight = new Float64Array(list.length).fill(Number.POSITIVE_INFINITY);
    this.#fixed = new Float64Array(list.length).fill(Number.POSITIVE_INFINITY);
    for (let a = 0; a < list.length; a++) {
      // Both ways have the same paths.
      for (let b = a + 1; b < list.length; b++) {
        const [from, to] = [list[a]!, list[b]!];
        const paths = pathsBetween({ site: from.id, uplinks: from.uplinks }, { site: to.id, uplinks: to.uplinks });
        const take = predictMove(move, memoryOnly, paths, siteRttMs(network, index.betweenKm(a, b)));
        if (!take.converges) continue;
        const fixed = moveCostUserMs(policy, 0, take);
        const perWeight = moveCostUserMs(policy, 1, take) - fixed;
        for (const site of [a, b]) {
          this.#fixed[site] = Math.min(this.#fixed[site]!, fixed);
          this.#perWeight[site] = Math.min(this.#perWeight[site]!, perWeight);
        }
      }
    }
    this.mostPerWeight = this.#perWeight.filter(Number.isFinite).reduce((a, b) => Math.max(a, b), 0);
  }

  /**
   * The least that a move between two other sites costs, in user-milliseconds; Infinity where no move is possible.
   * @param weight sum of the weights of the users at the end of the move
   */
  between(a: number, b: number, weight: number): number {
    const ofA = this.of(a, weight);
    const ofB = this.of(b, weight);
    return ofA > ofB ? ofA : ofB;
  }

  /** The least that a move from or to a site costs. */
  of(site: number, weight: number): number {
    const fixed = this.#fixed[site]!;
    return fixed === Number.POSITIVE_INFINITY ? fixed : fixed + weight * this.#perWeight[site]!;
  }
}
