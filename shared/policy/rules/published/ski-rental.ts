import type { PlacementRule } from './rule.ts';

interface Regret {
  home: string;
  atMs: number;
  /** What the best site saved at the last look, in user-milliseconds a second. */
  saves: number;
  userMs: number;
}

/**
 * DwellTimes until what the best site would have saved, since the home last was that, adds up to `alpha` times the price of
 * moving there: the deterministic rent-or-buy rule, at most twice the optimum of a single decision with alpha = 1
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
