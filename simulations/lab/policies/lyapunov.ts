import type { LabPolicy } from '../policy.ts';

/**
 * Drift plus penalty: weighs latency (V times the cost of serving) against moving, whose price is a queue that grows
 * with every move above an allowed average and drains otherwise. It keeps that average, and knows no future (T. Ouyang, Z. Zhou, X. Chen,
 * IEEE JSAC 36(10), 2018, arXiv 1809.05239; this is the textbook form, for one user).
 * @param weight V: latency against the budget
 * @param budget what moving may cost on average in a slot, in c_m without the load factor
 */
export function lyapunov(weight: number, budget: number): LabPolicy {
  return {
    name: `lyapunov(${weight},${budget})`,
    sees: 'past',
    begin({ world: { sites, serve, move }, users }) {
      const queue = new Float64Array(users);
      return {
        choose(user, cell, at) {
          let [best, least] = [at, weight * serve[cell * sites + at]!];
          for (let site = 0; site < sites; site++) {
            const cost = weight * serve[cell * sites + site]! + queue[user]! * move[at * sites + site]!;
            if (cost < least) [best, least] = [site, cost];
          }
          queue[user] = Math.max(0, queue[user]! + move[at * sites + best]! - budget);
          return best;
        },
      };
    },
  };
}
