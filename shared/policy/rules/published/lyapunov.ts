import type { PlacementRule } from './rule.ts';

interface Backlog {
  home: string;
  /** The price of the move that the rule chose last, in user-milliseconds. */
  wantedUserMs: number;
  /** Time of the last evaluation. */
  atMs: number;
  /** The backlog, in user-milliseconds. */
  userMs: number;
}

/**
 * Drift plus penalty: chooses the site with the least V × cost of serving + backlog × price of the move. The backlog grows by the
 * price of each move, and shrinks at the rate of the budget (T. Ouyang, Z. Zhou, X. Chen, IEEE JSAC 36(10), 2018, arXiv 1809.05239;
 * this is the textbook form, for one VM).
 * @param weightUserMsS V: with a backlog of V user-milliseconds, a move for 1 user-ms weighs as much as serving for 1 user-ms a
 *   second
 * @param budgetUserMsPerS average budget for moves of a VM, in user-milliseconds a second
 */
export function lyapunov(weightUserMsS: number, budgetUserMsPerS: number): PlacementRule<Backlog> {
  return {
    name: `lyapunov(${weightUserMsS},${budgetUserMsPerS})`,
    begin: ({ sites, nowMs }) => ({ home: sites[0]!.id, wantedUserMs: 0, atMs: nowMs, userMs: 0 }),
    choose(view, backlog) {
      const { sites, serving, nowMs } = view;
      backlog.userMs = Math.max(0, backlog.userMs - (budgetUserMsPerS * (nowMs - backlog.atMs)) / 1000);
      backlog.atMs = nowMs;
      if (backlog.home !== sites[0]!.id) {
        backlog.userMs += backlog.wantedUserMs;
        backlog.home = sites[0]!.id;
      }
      let chosen = 0;
      let least = weightUserMsS * serving[0]!;
      for (let i = 1; i < sites.length; i++) {
        const served = weightUserMsS * serving[i]!;
        if (served >= least) continue;
        const moveUserMs = view.moveCostUserMs(0, i);
        if (served + backlog.userMs * moveUserMs >= least) continue;
        least = served + backlog.userMs * moveUserMs;
        chosen = i;
        backlog.wantedUserMs = moveUserMs;
      }
      return chosen;
    },
  };
}
