/**
 * The distance-based decision process of S. Wang et al.: the state is how many hops the service is from the user, 0 to
 * N. Users walk at random between hexagons; folded to one dimension, the distance grows with 2.5 r and shrinks with
 * 1.5 r, for a probability r of each of the six neighbours.
 */

/** What a slot costs at so many hops. Of about 1, so that rounding is no matter. */
export interface ChainCosts {
  move(hops: number): number;
  serve(hops: number): number;
}

/** The chain and what the authors set for the trace. */
const STATES = 21;
const DISCOUNT = 0.9;

/**
 * Discounted future cost of being so many hops away after this slot's decision, in the unit of the costs: gamma
 * times the expected value of the next state. Solved by policy iteration; moving away from the user is left out.
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

/** By state: the probabilities of the state one nearer, the same, and one farther. */
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

/** The value of following the actions for ever: (I - gamma P) V = c, by Gaussian elimination. */
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
