import { futureByHops } from '#shared/policy/rules/published/mdp-chain.ts';
import type { LabPolicy, Setting } from '../policy.ts';
import { ABSENT, type CellTrace } from '../trace.ts';

/**
 * The published process (S. Wang et al., IEEE/ACM ToN 27(3), 2019; GitHub shiqiangw/service-migration-mdp) on a real map:
 * among all sites that for which moving there, being served from there, and the chain's discounted future at that distance
 * come to the least.
 *
 * The chain's only parameter is estimated in every slot from the share of users who leave their cell. The authors'
 * program counts the users who leave it **after** the slot, which is the future: this is that program.
 */
export const mdp: LabPolicy = {
  name: 'mdp',
  sees: 'future',
  begin: (setting, future) =>
    chooser(setting, (slot) =>
      slot + 1 < future!.slots ? leaving(cellsOf(future!, slot), cellsOf(future!, slot + 1)) : 0,
    ),
};

/** The same without a look at the next slot: it counts the users who left their cell before it. */
export const mdpOnline: LabPolicy = {
  name: 'mdp-online',
  sees: 'past',
  begin(setting) {
    const before = new Int16Array(setting.users).fill(ABSENT);
    return chooser(setting, (_, cells) => {
      const share = leaving(before, cells);
      before.set(cells);
      return share;
    });
  },
};

function chooser({ world }: Setting, shareLeaving: (slot: number, cells: Int16Array) => number) {
  const { sites, move, serve, hops, placing } = world;
  let future: Float64Array = new Float64Array();
  const cost = (cell: number, at: number, site: number) => {
    const ahead = future[Math.min(hops[cell * sites + site]!, future.length - 1)]!;
    return (at < 0 ? placing : move[at * sites + site]!) + serve[cell * sites + site]! + ahead;
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

/** Share of the users in the first of two slots that are elsewhere, or away, in the second. */
function leaving(before: Int16Array, after: Int16Array): number {
  let [present, left] = [0, 0];
  before.forEach((cell, user) => {
    if (cell === ABSENT) return;
    present++;
    if (after[user] !== cell) left++;
  });
  return present === 0 ? 0 : left / present;
}
