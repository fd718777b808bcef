import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asPublished, cheapestDetour, type Overflow } from '#simulations/lab/overflow.ts';
import { play } from '#simulations/lab/play.ts';
import { nearest } from '#simulations/lab/policies/baselines.ts';
import { hysteresis, myopic } from '#simulations/lab/policies/published.ts';
import { SEED } from '../../../property/seed.ts';
import { anyRun, street, ways } from './worlds.ts';

describe.each([
  ['as published', asPublished],
  ['cheapest detour', cheapestDetour],
] as const)('%s', (_, rule) => {
  test('no site is overfull, and each user has a site', () => {
    let sentAway = 0;
    const watched =
      (overflow: Overflow, most: number): Overflow =>
      (requests) => {
        const wanted = [...requests.next];
        overflow(requests);
        const counts = Map.groupBy(
          [...requests.next].filter((site) => site >= 0),
          (site) => site,
        );
        for (const { length } of counts.values()) expect(length).toBeLessThanOrEqual(most);
        requests.next.forEach((site, user) => {
          expect(site < 0).toBe(wanted[user]! < 0);
          if (site !== wanted[user]) sentAway++;
        });
      };
    fc.assert(
      fc.property(anyRun, ({ world, trace }) => {
        const most = Math.ceil(trace.users / world.sites);
        for (const policy of [nearest, hysteresis(1)]) play(policy, world, trace, watched(rule(most), most));
      }),
      { seed: SEED, numRuns: 100 },
    );
    expect(sentAway).toBeGreaterThan(0);
  });

  test('nothing changes if all users fit', () => {
    const trace = ways([0, 1, 2], [2, 1, 0], [1, 1, 1]);
    for (const policy of [nearest, myopic]) {
      expect(play(policy, street(3), trace, rule(3))).toEqual(play(policy, street(3), trace));
    }
  });
});

test('the published rule sends a user to the first site, and the cheapest detour to the next one', () => {
  const crowd = ways([5], [5], [4]);
  // The first site is 5 hops away, the next one 1 hop. The other costs are equal.
  const cost = (rule: Overflow) => play(nearest, street(6), crowd, rule).meanOfSlots;
  expect(cost(asPublished(1)) - cost(cheapestDetour(1))).toBeGreaterThan(0);
});
