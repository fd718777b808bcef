/** Rules for the case that more services want a site than it takes. */
import type { SlotRule } from './policy.ts';
import type { World } from './world.ts';

/** A slot between what policies want and what happens. */
export interface SlotRequests {
  readonly world: World;
  readonly cells: Int16Array;
  /** The site in the slot before, by user; -1: nowhere. */
  readonly at: Int16Array;
  /** The site that is wanted now, by user; -1: absent. An overflow rule changes it. */
  readonly next: Int16Array;
  readonly chooser: SlotRule;
}

/** Changes requests until no site has too many. */
export type Overflow = (requests: SlotRequests) => void;

/**
 * The rule of the authors' program (GitHub shiqiangw/service-migration-mdp), for validation only: those who fit worst
 * go to the first site **by number** that has room, wherever it is. The program sorts the candidates by cost, but then
 * takes them from the unsorted list, and as many of it as lie within reach.
 * @param reachHops 20 for rules that leave out sites as far as that
 */
export function asPublished(most: number, reachHops = 20): Overflow {
  return (requests) => {
    const { world, cells, at, next, chooser } = requests;
    const counts = countsOf(requests);
    for (let site = 0; site < world.sites; site++) {
      if (counts[site]! <= most) continue;
      const inIt = usersAt(next, site);
      const key = (user: number) =>
        chooser.evictionPriority?.(user, cells[user]!, at[user]!, site) ?? world.squared[cells[user]! * world.sites + site]!;
      const keys = new Map(inIt.map((user) => [user, key(user)]));
      inIt.sort((a, b) => keys.get(b)! - keys.get(a)! || a - b);
      for (const user of inIt.slice(0, counts[site]! - most)) {
        const listed = chooser.evictionPriority ? withinReach(world, cells[user]!, reachHops) : world.sites;
        let to = 0;
        while (to < listed && counts[to]! >= most) to++;
        next[user] = to;
        counts[to]!++;
        counts[site]!--;
      }
    }
  };
}

/** A rule with sense: those for whom the detour costs least go to the site that is cheapest for them and has room. */
export function cheapestDetour(most: number): Overflow {
  return (requests) => {
    const { world, next } = requests;
    const counts = countsOf(requests);
    for (let site = 0; site < world.sites; site++) {
      for (let excess = counts[site]! - most; excess > 0; excess--) {
        const detours = usersAt(next, site).map((user) => ({ user, ...detourOf(requests, user, counts, most) }));
        const { user, to } = detours.reduce((a, b) => (b.extra < a.extra ? b : a));
        next[user] = to;
        counts[to]!++;
        counts[site]!--;
      }
    }
  };
}

function detourOf({ world, cells, at, next }: SlotRequests, user: number, counts: Int32Array, most: number) {
  const costAt = (site: number) => {
    const moving = at[user]! < 0 ? 0 : world.move[at[user]! * world.sites + site]!;
    return moving + world.serve[cells[user]! * world.sites + site]!;
  };
  let [to, least] = [next[user]!, Number.POSITIVE_INFINITY];
  for (let site = 0; site < world.sites; site++) {
    if (counts[site]! < most && costAt(site) < least) [to, least] = [site, costAt(site)];
  }
  return { to, extra: least - costAt(next[user]!) };
}

function countsOf({ world, next }: SlotRequests): Int32Array {
  const counts = new Int32Array(world.sites);
  for (const site of next) if (site >= 0) counts[site]!++;
  return counts;
}

function usersAt(next: Int16Array, site: number): number[] {
  const users: number[] = [];
  next.forEach((wanted, user) => {
    if (wanted === site) users.push(user);
  });
  return users;
}

function withinReach(world: World, cell: number, hops: number): number {
  let count = 0;
  for (let site = 0; site < world.sites; site++) if (world.hops[cell * world.sites + site]! < hops) count++;
  return count;
}
