import { futureByHops } from '#shared/policy/rules/published/mdp-chain.ts';
import type { LabPolicy, Setting } from '../policy.ts';
import { ABSENT, type CellTrace } from '../trace.ts';

/**
 * The published Markov decision process (S. Wang et al., IEEE/ACM ToN 27(3), 2019; GitHub shiqiangw/service-migration-mdp) on a map. It
 * chooses the site with the least sum of the cost of the move, the cost of serving, and the discounted future cost of the chain at that
 * distance.
 *
 * The only parameter of the chain is estimated in each slot from the share of users who leave their cell. Like the authors' program, this
 * policy counts the users who leave their cell **after** the slot, so it sees the future.
 */
export const mdp: LabPolicy = {
  name: 'mdp',
  sees: 'future',
  begin: (setting, future) =>
    chooser(setting, (slot) =>
      slot + 1 < future!.slots ? shareLeft(cellsOf(future!, slot), cellsOf(future!, slot + 1)) : 0,
    ),
};

/** The same policy without knowledge of the next slot: it counts the users who left their cell before the slot. */
export const mdpOnline: LabPolicy = {
  name: 'mdp-online',
  sees: 'past',
  begin(setting) {
    const before = new Int16Array(setting.users).fill(ABSENT);
    return chooser(setting, (_, cells) => {
      const share = shareLeft(before, cells);
      before.set(cells);
      return share;
    });
  },
};

function chooser({ world }: Setting, shareLeaving: (slot: number, cells: Int16Array) => number) {
  const { sites, move, serve, hops, placing } = world;
  let future: Float64Array = new Float64Array();
  const cost = (cell: number, at: number, site: number) => {
    const futureCost = future[Math.min(hops[cell * sites + site]!, future.length - 1)]!;
    return (at < 0 ? placing : move[at * sites + site]!) + serve[cell * sites + site]! + futureCost;
  };
  return {
    observe(slot: number, cells: Int16Array) {
      future = futureByHops(world.costs, shareLeaving(slot, cells) / 6);
    },
    choose(_: number, cell: number, at: number) {
      let [best, least] = [0, cost(cell, at, 0)];
      for (let site = 1; site < sites; site++) {
        const value = cost(cell, at, site);
        if (value < least) [best, least] = [site, value];
      }
      return best;
    },
    evictionPriority: (_: number, cell: number, at: number, site: number) => cost(cell, at, site),
  };
}

function cellsOf({ cells, users }: CellTrace, slot: number): Int16Array {
  return cells.subarray(slot * users, (slot + 1) * users);
}

/** The share of the users present in the first of two slots who are in another cell, or absent, in the second. */
function shareLeft(before: Int16Array, after: Int16Array): number {
  let [present, left] = [0, 0];
  before.forEach((cell, user) => {
    if (cell === ABSENT) return;
    present++;
    if (after[user] !== cell) left++;
  });
  return present === 0 ? 0 : left / present;
}
