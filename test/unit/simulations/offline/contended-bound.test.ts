import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fix } from '#services/replay/traces/fix.ts';
import { runPolicy } from '#simulations/run-policy.ts';
import { SEED } from '../../../property/seed.ts';
import { anyTrace, inputOf, START_MS } from '../made.ts';

const USERS = 12;
const EVERY_MS = 10_000;
const sites = [40, 41].map((lat) => ({
  site: `s${lat}`,
  lat,
  lon: 5,
  slots: 100,
  uplinks: [{ provider: 'a', rateBps: 1e8 }],
}));

/** A crowd that goes back and forth together, so that all moves want the same uplinks at the same time. */
function crowd(staysS: readonly number[]): Fix[] {
  const places = staysS.flatMap((s, i) => Array.from({ length: Math.ceil((s * 1000) / EVERY_MS) }, () => i % 2));
  return places.flatMap((place, step) =>
    Array.from({ length: USERS }, (_, u) => ({
      user: `u${u}`,
      atMs: START_MS + step * EVERY_MS + u,
      lat: 40 + place,
      lon: 5,
    })),
  );
}
const costOf = async (fixes: readonly Fix[], policy: string) =>
  (await runPolicy(inputOf({ sites, fixes }, policy))).cost.totalUserMs;

describe('the lower bound under contention', () => {
  test('is at most the cost of each run, also of those that know everything', async () => {
    const policies = ['tagalong', 'nearest', 'never', 'look-ahead(600)', 'contended-optimum', 'tagalong-knows-both'];
    let raised = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 60, max: 900 }), { minLength: 2, maxLength: 6 }), async (stays) => {
        const fixes = crowd(stays);
        const bound = await costOf(fixes, 'contended-bound(12)');
        for (const policy of policies) {
          expect(bound, policy).toBeLessThanOrEqual((await costOf(fixes, policy)) * (1 + 1e-9) + 1e-6);
        }
        if (bound > 1.02 * (await costOf(fixes, 'optimum'))) raised++;
      }),
      { seed: SEED, numRuns: 5 },
    );
    expect(raised, 'contention raised the bound').toBeGreaterThan(1);
  });

  test('is the optimum where nobody meets anybody', async () => {
    await fc.assert(
      fc.asyncProperty(anyTrace(30), async ({ fixes }) => {
        const alone = fixes.filter(({ user }) => user === fixes[0]!.user);
        const [bound, least] = [await costOf(alone, 'contended-bound(1)'), await costOf(alone, 'optimum')];
        expect(Math.abs(bound - least)).toBeLessThanOrEqual(1e-9 * (1 + least));
      }),
      { seed: SEED, numRuns: 40 },
    );
  });
});
