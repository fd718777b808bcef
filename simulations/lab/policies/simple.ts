/** Rules that look at the present slot only; never, always and myopic as in S. Wang et al. (IEEE/ACM ToN 27(3), 2019). */
import type { LabPolicy } from '../policy.ts';
import type { World } from '../world.ts';

/** At this distance the published rules without foresight leave a site (N of Wang et al.). */
const FORCED_AT_HOPS = 20;

/** Stays where it is, unless that is 20 hops away or more: then to the nearest. "Never" of Wang et al. */
export const never: LabPolicy = {
  name: 'never',
  sees: 'past',
  begin: ({ world }) => ({
    choose: (_, cell, at) => (world.hops[cell * world.sites + at]! >= FORCED_AT_HOPS ? world.nearest[cell]! : at),
    // Who stays is where it wants to be.
    reluctance: (_, cell, at, site) => (at === site ? 0 : world.squared[cell * world.sites + site]!),
  }),
};

/** Goes to the nearest site whenever that is another one. "Always" of Wang et al. */
export const nearest: LabPolicy = {
  name: 'nearest',
  sees: 'past',
  begin: ({ world }) => ({ choose: (_, cell) => world.nearest[cell]! }),
};

/** Goes to the nearest site when that is at least so many hops nearer, as in a handover (3GPP TS 36.331, event A3). */
export function hysteresis(marginHops: number): LabPolicy {
  return {
    name: `hysteresis(${marginHops})`,
    sees: 'past',
    begin: ({ world: { sites, hops, nearest: near } }) => ({
      choose(_, cell, at) {
        const best = near[cell]!;
        return hops[cell * sites + at]! >= hops[cell * sites + best]! + marginHops ? best : at;
      },
    }),
  };
}

/** Takes the site for which moving there and being served from there for this one slot cost least. Of Wang et al. */
export const myopic: LabPolicy = {
  name: 'myopic',
  sees: 'past',
  begin: ({ world }) => ({
    choose: (_, cell, at) => cheapestNow(world, cell, at),
    reluctance: (_, cell, at, site) => costNow(world, cell, at, site),
  }),
};

function cheapestNow(world: World, cell: number, at: number): number {
  let [best, least] = [world.nearest[cell]!, Number.POSITIVE_INFINITY];
  for (let site = 0; site < world.sites; site++) {
    if (world.hops[cell * world.sites + site]! >= FORCED_AT_HOPS) continue;
    const cost = costNow(world, cell, at, site);
    if (cost < least) [best, least] = [site, cost];
  }
  return best;
}

function costNow({ sites, move, serve, placing }: World, cell: number, at: number, site: number): number {
  return (at < 0 ? placing : move[at * sites + site]!) + serve[cell * sites + site]!;
}
