import type { PlacementRule } from './rule.ts';

interface Backlog {
  home: string;
  /** What the move that is wanted would cost. */
  wantedUserMs: number;
  atMs: number;
  userMs: number;
}

/**
 * Drift plus penalty: weighs the cost of serving against that of moving, whose price is a backlog that grows with what moves
 * cost and is worked off at the rate that is allowed on average (T. Ouyang, Z. Zhou, X. Chen, IEEE JSAC 36(10), 2018, arXiv
 * 1809.05239; this is the textbook form, for one VM).
 * @param weightUserMsS V: a backlog of so many user-milliseconds makes moving for 1 user-ms cost as much as 1 user-ms a
 * second of serving
 * @param budgetUserMsPerS what moving a VM may cost on average, in user-milliseconds a second
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
