/** The published policies of the product (`shared/policy/rules/published`), as the laboratory sees them. */
import { lyapunov as productLyapunov } from '#shared/policy/rules/published/lyapunov.ts';
import { hysteresis as productHysteresis, myopic as productMyopic } from '#shared/policy/rules/published/simple.ts';
import { skiRental as productSkiRental } from '#shared/policy/rules/published/ski-rental.ts';
import { workFunction as productWorkFunction } from '#shared/policy/rules/published/work-function.ts';
import type { LabPolicy } from '../policy.ts';
import type { World } from '../world.ts';
import { adapted } from './adapter.ts';
import { FORCED_AT_HOPS } from './baselines.ts';

/** The margin is in hops. */
export const hysteresis = (marginHops: number): LabPolicy =>
  adapted(productHysteresis(marginHops), { servingOf: ({ hops, sites }, cell, site) => hops[cell * sites + site]! });

/** Where two sites cost the same, the authors' program takes the one with the lower number. */
const PER_NUMBER = 1e-12;

/** For one slot. As published, it leaves a site that is 20 hops away or more. */
export const myopic: LabPolicy = adapted(productMyopic(1), {
  name: 'myopic',
  servingOf({ hops, serve, sites }, cell, site) {
    const i = cell * sites + site;
    return hops[i]! >= FORCED_AT_HOPS ? Number.POSITIVE_INFINITY : serve[i]! + PER_NUMBER * site;
  },
  evictionPriority: ({ sites, move, serve, placing }: World, cell, at, site) =>
    (at < 0 ? placing : move[at * sites + site]!) + serve[cell * sites + site]!,
});

/** Costs count with the load factor of the slot in which they arise. */
export const skiRental = (alpha: number): LabPolicy => adapted(productSkiRental(alpha), { loaded: true });

/**
 * @param weight V: latency against the budget
 * @param budget what moving may cost on average in a slot, in c_m without the load factor
 */
export const lyapunov = (weight: number, budget: number): LabPolicy => adapted(productLyapunov(weight, budget));

/** The product shows a rule the sites near the users as well, not all there are. */
const CANDIDATES = 12;

/** Costs count with the load factor of the slot in which they arise. */
export const workFunction: LabPolicy = adapted(productWorkFunction, { loaded: true, candidates: CANDIDATES });
