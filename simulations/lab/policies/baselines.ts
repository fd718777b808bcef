/** The two ends of the scale: a policy that never moves, and one that always does (S. Wang et al., IEEE/ACM ToN 27(3), 2019). */
import type { LabPolicy } from '../policy.ts';

/** At this distance the published rules without foresight leave a site (N of Wang et al.). */
export const FORCED_AT_HOPS = 20;

/** Stays where it is, unless that is 20 hops away or more: then to the nearest. "Never" of Wang et al. */
export const never: LabPolicy = {
  name: 'never',
  sees: 'past',
  begin: ({ world }) => ({
    choose: (_, cell, at) => (world.hops[cell * world.sites + at]! >= FORCED_AT_HOPS ? world.nearest[cell]! : at),
    // A service that stays is where it wants to be.
    evictionPriority: (_, cell, at, site) => (at === site ? 0 : world.squared[cell * world.sites + site]!),
  }),
};

/** Goes to the nearest site whenever that is another one. "Always" of Wang et al. */
export const nearest: LabPolicy = {
  name: 'nearest',
  sees: 'past',
  begin: ({ world }) => ({ choose: (_, cell) => world.nearest[cell]! }),
};
