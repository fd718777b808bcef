/** The published policies of the product (`shared/policy/rules/published`), adapted to the laboratory. */
import { lyapunov as productLyapunov } from '#shared/policy/rules/published/lyapunov.ts';
import { hysteresis as productHysteresis, myopic as productMyopic } from '#shared/policy/rules/published/simple.ts';
import { skiRental as productSkiRental } from '#shared/policy/rules/published/ski-rental.ts';
import { workFunction as productWorkFunction } from '#shared/policy/rules/published/work-function.ts';
import type { LabPolicy } from '../policy.ts';
import type { World } from '../world.ts';
import { adapted } from './adapter.ts';
import { FORCED_AT_HOPS } from './baselines.ts';

/** Moves to the nearest site if it is nearer by a margin, in hops. */
export const hysteresis = (marginHops: number): LabPolicy =>
  adapted(productHysteresis(marginHops), { servingOf: ({ hops, sites }, cell, site) => hops[cell * sites + site]! });

/** If two sites cost the same, the authors' program chooses the one with the lower number. So each number adds a tiny cost. */
const PER_NUMBER = 1e-12;

/** Minimizes the cost of one slot. As published, it leaves a site that is 20 or more hops away. */
export const myopic: LabPolicy = adapted(productMyopic(1), {
  name: 'myopic',
  servingOf({ hops, serve, sites }, cell, site) {
    const i = cell * sites + site;
    return hops[i]! >= FORCED_AT_HOPS ? Number.POSITIVE_INFINITY : serve[i]! + PER_NUMBER * site;
  },
  evictionPriority: ({ sites, move, serve, placing }: World, cell, at, site) =>
    (at < 0 ? placing : move[at * sites + site]!) + serve[cell * sites + site]!,
});

/** Moves when the lost savings reach `alpha` times the cost of a move. Costs include the load factor of their slot. */
export const skiRental = (alpha: number): LabPolicy => adapted(productSkiRental(alpha), { withLoad: true });

/**
 * Drift plus penalty.
 * @param weight V: the weight of latency against the budget
 * @param budget the cost of moves per slot, on average, in c_m without the load factor
 */
export const lyapunov = (weight: number, budget: number): LabPolicy => adapted(productLyapunov(weight, budget));

/** In the product, too, a rule sees only the sites near the users. */
const CANDIDATES = 12;

/** The work function algorithm. Costs include the load factor of their slot. */
export const workFunction: LabPolicy = adapted(productWorkFunction, { withLoad: true, candidates: CANDIDATES });
