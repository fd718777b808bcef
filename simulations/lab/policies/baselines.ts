/** The two baselines of S. Wang et al., IEEE/ACM ToN 27(3), 2019: a policy that never moves, and one that always moves. */
import type { LabPolicy } from '../policy.ts';

/** At this distance the published rules leave a site (N of Wang et al.). */
export const FORCED_AT_HOPS = 20;

/** Stays at its site. If the site is 20 or more hops away, it moves to the nearest one. "Never" of Wang et al. */
export const never: LabPolicy = {
  name: 'never',
  sees: 'past',
  begin: ({ world }) => ({
    choose: (_, cell, at) => (world.hops[cell * world.sites + at]! >= FORCED_AT_HOPS ? world.nearest[cell]! : at),
    // A service that stays is evicted last.
    evictionPriority: (_, cell, at, site) => (at === site ? 0 : world.squared[cell * world.sites + site]!),
  }),
};

/** Moves to the nearest site whenever that is another one. "Always" of Wang et al. */
export const nearest: LabPolicy = {
  name: 'nearest',
  sees: 'past',
  begin: ({ world }) => ({ choose: (_, cell) => world.nearest[cell]! }),
};
