import type { LabPolicy } from '../policy.ts';

/**
 * Stays until what the nearest site would have saved since it last was there adds up to `alpha` times the price of
 * moving there: the deterministic rent-or-buy rule, at most twice the optimum of a single decision with alpha = 1
 * (A. R. Karlin et al., Competitive Snoopy Caching, Algorithmica 3, 1988).
 */
export function skiRental(alpha: number): LabPolicy {
  return {
    name: `ski-rental(${alpha})`,
    sees: 'past',
    begin({ world: { sites, nearest, serve, move }, users }) {
      // In units of cost: what counts is when it would have been saved, with the load factor of that slot.
      const regret = new Float64Array(users);
      let factor = 1;
      return {
        show(_, cells, load) {
          factor = load;
          for (let user = 0; user < users; user++) if (cells[user]! < 0) regret[user] = 0;
        },
        choose(user, cell, at) {
          const best = nearest[cell]!;
          if (best === at) {
            regret[user] = 0;
            return at;
          }
          const saved = serve[cell * sites + at]! - serve[cell * sites + best]!;
          regret[user]! += factor * Math.max(0, saved);
          if (regret[user]! < alpha * factor * move[at * sites + best]!) return at;
          regret[user] = 0;
          return best;
        },
      };
    },
  };
}
