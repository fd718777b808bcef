/**
 * The abstract costs of Wang et al. (IFIP Networking 2015; IEEE/ACM ToN 27(3), 2019, arXiv 1506.05261), by hops, in units of the
 * slot's load factor. They have no unit, so only the ratios between policies are meaningful.
 */

/** Costs saturate with the distance, by powers of this base (mu = theta in the publication). */
const DECAY = 0.8;

/** The costs of a slot by hops, without the load factor. */
export interface HopCosts {
  readonly name: 'distance' | 'constant';
  /** c_m: the cost of a move over so many hops. 0 hops: the cost of a first placement. */
  move(hops: number): number;
  /** c_d: the cost of serving a user over so many hops for one slot. */
  serve(hops: number): number;
}

/** c_m(x) = 2 - 0.8^x and c_d(x) = 1 - 0.8^x: beta_c = 2, delta_c = 1, beta_l = delta_l = -1 in the authors' terms. */
export const DISTANCE_COSTS: HopCosts = {
  name: 'distance',
  move: (hops) => 2 - DECAY ** hops,
  serve: (hops) => 1 - DECAY ** hops,
};

/** The authors' variant without a distance term: 1 each, at any distance. */
export const CONSTANT_COSTS: HopCosts = {
  name: 'constant',
  move: () => 1,
  serve: (hops) => (hops === 0 ? 0 : 1),
};

/**
 * The load factor g of each slot, which multiplies all costs of the slot: 1 / (1 - U / (1.5 U_max)) with U users present.
 * @param spare 1.5: capacity as a multiple of the largest number of users
 */
export function loadFactors(usersBySlot: ArrayLike<number>, spare = 1.5): Float64Array {
  const most = Array.from(usersBySlot).reduce((a, b) => Math.max(a, b), 0);
  return Float64Array.from(usersBySlot, (users) => (most === 0 ? 1 : 1 / (1 - users / (spare * most))));
}
