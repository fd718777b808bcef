/** Rules for sites with a capacity: they change the requests of users whose site is full. */
import type { SlotRule } from './policy.ts';
import type { World } from './world.ts';

/** The sites that the users of a slot request. */
export interface SlotRequests {
  readonly world: World;
  readonly cells: Int16Array;
  /** By user: the site in the slot before; -1: none. */
  readonly at: Int16Array;
  /** By user: the requested site; -1: the user is absent. An overflow rule changes it. */
  readonly next: Int16Array;
  /** The policy that made the requests. */
  readonly chooser: SlotRule;
}

/** Changes the requests, so that no site has more than its capacity. */
export type Overflow = (requests: SlotRequests) => void;

/**
 * The rule of the authors' program (GitHub shiqiangw/service-migration-mdp), for validation only. A full site sends the users with the
 * highest eviction priority to the first site **by number** that has room, however far away it is. The program sorts the candidates by
 * cost, but then takes them from the unsorted list. It takes as many of the list as there are sites within reach.
 * @param most the capacity of each site
 * @param reachHops the reach; 20 for rules that ignore sites from that distance on
 */
export function asPublished(most: number, reachHops = 20): Overflow {
  return (requests) => {
    const { world, cells, at, next, chooser } = requests;
    const counts = countsOf(requests);
    for (let site = 0; site < world.sites; site++) {
      if (counts[site]! <= most) continue;
      const users = usersAt(next, site);
      const key = (user: number) =>
        chooser.evictionPriority?.(user, cells[user]!, at[user]!, site) ??
        world.squared[cells[user]! * world.sites + site]!;
      const keys = new Map(users.map((user) => [user, key(user)]));
      users.sort((a, b) => keys.get(b)! - keys.get(a)! || a - b);
      for (const user of users.slice(0, counts[site]! - most)) {
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

/** A full site sends the user with the cheapest detour away, to the cheapest site that has room. @param most the capacity of each site */
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

/** The cheapest site with room for a user, and its extra cost. */
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

/** The number of sites nearer than so many hops. */
function withinReach(world: World, cell: number, hops: number): number {
  let count = 0;
  for (let site = 0; site < world.sites; site++) if (world.hops[cell * world.sites + site]! < hops) count++;
  return count;
}
