import type { PlacementRule } from './rule.ts';

interface Regret {
  home: string;
  /** Time of the last evaluation. */
  atMs: number;
  /** The saving of the best site at the last evaluation, in user-milliseconds a second. */
  saves: number;
  /** Sum of the missed savings, in user-milliseconds. */
  userMs: number;
}

/**
 * The deterministic rent-or-buy rule. It adds up what the best site would have saved since the home was last the best site. It moves
 * when the sum reaches `alpha` times the price of the move. With alpha = 1 it costs at most twice the optimum of a single decision
 * (A. R. Karlin et al., Competitive Snoopy Caching, Algorithmica 3, 1988).
 */
export function skiRental(alpha: number): PlacementRule<Regret> {
  return {
    name: `ski-rental(${alpha})`,
    begin: ({ sites, nowMs }) => ({ home: sites[0]!.id, atMs: nowMs, saves: 0, userMs: 0 }),
    choose(view, regret) {
      const { nowMs, sites, serving, best } = view;
      regret.userMs += (regret.saves * (nowMs - regret.atMs)) / 1000;
      regret.atMs = nowMs;
      regret.saves = serving[0]! - serving[best]!;
      if (best === 0 || regret.home !== sites[0]!.id) regret.userMs = 0;
      regret.home = sites[0]!.id;
      return best !== 0 && regret.userMs >= alpha * view.moveCostUserMs(0, best) ? best : 0;
    },
  };
}
