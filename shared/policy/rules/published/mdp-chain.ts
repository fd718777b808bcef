/**
 * The distance-based decision process of S. Wang et al. (IEEE/ACM ToN 27(3), 2019). The state is the distance of the service from
 * the user in hops, 0 to N. Users walk at random between hexagonal cells. In one dimension the distance grows with probability
 * 2.5 r and shrinks with 1.5 r, where r is the probability of each of the six neighbours.
 */

/** The costs by hops: of a move over that distance, and of serving for one slot. About 1, so that rounding does not matter. */
export interface ChainCosts {
  move(hops: number): number;
  serve(hops: number): number;
}

/** Length of the chain and discount factor of the authors' trace-driven evaluation. */
const STATES = 21;
const DISCOUNT = 0.9;

/**
 * The discounted future cost by the number of hops after this slot's decision: gamma × the expected value of the next state, in the
 * unit of the costs. Solved by policy iteration, without moves away from the user.
 * @param r probability of each neighbouring cell
 */
export function futureByHops(costs: ChainCosts, r: number): Float64Array {
  const chain = chainOf(r);
  const move = (hops: number) => (hops === 0 ? 0 : costs.move(hops));
  const actions = Int16Array.from({ length: STATES }, (_, state) => Math.min(state, STATES - 2));
  for (;;) {
    const cost = (state: number, to: number) => move(state - to) + costs.serve(to);
    const values = solve(chain, actions, cost);
    const future = expected(chain, values);
    let changed = false;
    for (let state = 0; state < STATES; state++) {
      let best = actions[state]!;
      let least = cost(state, best) + future[best]! - 1e-12;
      for (let to = 0; to <= Math.min(state, STATES - 2); to++) {
        const value = cost(state, to) + future[to]!;
        if (value < least) [best, least] = [to, value];
      }
      if (best !== actions[state]) changed = true;
      actions[state] = best;
    }
    if (!changed) return future;
  }
}

/** The probabilities for each state of moving one hop nearer, staying, and moving one hop farther. */
function chainOf(r: number): readonly (readonly [number, number, number])[] {
  return Array.from({ length: STATES }, (_, state) => {
    if (state === 0) return [0, 1 - 6 * r, 6 * r] as const;
    if (state === STATES - 1) return [r, 1 - r, 0] as const;
    return [1.5 * r, 1 - 4 * r, 2.5 * r] as const;
  });
}

type Chain = ReturnType<typeof chainOf>;

function expected(chain: Chain, values: Float64Array): Float64Array {
  return Float64Array.from(chain, ([nearer, same, farther], state) => {
    const beyond = farther === 0 ? 0 : farther * values[state + 1]!;
    return DISCOUNT * ((nearer === 0 ? 0 : nearer * values[state - 1]!) + same * values[state]! + beyond);
  });
}

/** The value of following the actions for ever: solves (I - gamma P) V = c by Gaussian elimination. */
function solve(chain: Chain, actions: Int16Array, cost: (state: number, to: number) => number): Float64Array {
  const rows = Array.from({ length: STATES }, (_, state) => {
    const row = new Float64Array(STATES + 1);
    const to = actions[state]!;
    row[state] = 1;
    chain[to]!.forEach((probability, i) => {
      if (probability > 0) row[to - 1 + i]! -= DISCOUNT * probability;
    });
    row[STATES] = cost(state, to);
    return row;
  });
  // No pivoting: the matrix is diagonally dominant.
  for (let i = 0; i < STATES; i++) {
    for (let j = i + 1; j < STATES; j++) {
      const factor = rows[j]![i]! / rows[i]![i]!;
      if (factor !== 0) for (let k = i; k <= STATES; k++) rows[j]![k]! -= factor * rows[i]![k]!;
    }
  }
  const values = new Float64Array(STATES);
  for (let i = STATES - 1; i >= 0; i--) {
    let rest = rows[i]![STATES]!;
    for (let k = i + 1; k < STATES; k++) rest -= rows[i]![k]! * values[k]!;
    values[i] = rest / rows[i]![i]!;
  }
  return values;
}
