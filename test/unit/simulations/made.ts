/** Generated runs for policies under the real costs: sites in the plane, users who walk, jump and fall silent. */
import fc from 'fast-check';
import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Fact } from '#shared/events/index.ts';
import type { PlacementRule } from '#shared/policy/rules/published/rule.ts';
import { PRESENCES } from '#shared/policy/state/presence.ts';
import type { RunInput } from '#simulations/engine.ts';
import { runPolicy } from '#simulations/run-policy.ts';

export const START_MS = Date.UTC(2026, 2, 2, 12);

export const configWith = (part: Record<string, unknown> = {}) =>
  parseConfig(JSON.stringify({ ingest: { plausibility: { maxSpeedMps: 1e6, maxAgeMs: 1e9 } }, ...part }), 'test');

/** A position in a square of about 500 km. */
const place = fc.record({
  lat: fc.double({ min: 40, max: 44.5, noNaN: true }),
  lon: fc.double({ min: 5, max: 11, noNaN: true }),
});
/** One or two uplinks of a site. */
const uplinks = fc.constantFrom<SiteSpec['uplinks'][]>(
  [{ provider: 'a', rateBps: 125_000_000 }],
  [
    { provider: 'a', rateBps: 125_000_000 },
    { provider: 'b', rateBps: 60_000_000 },
  ],
);

/** A random trace and its sites. @param most the most positions */
export function anyTrace(most: number): fc.Arbitrary<{ sites: SiteSpec[]; fixes: Fix[] }> {
  return fc
    .record({
      sites: fc.array(fc.tuple(place, uplinks), { minLength: 2, maxLength: 5 }),
      places: fc.array(place, { minLength: 2, maxLength: 4 }),
      users: fc.integer({ min: 1, max: 3 }),
      steps: fc.array(
        fc.record({
          user: fc.nat(2),
          place: fc.nat(3),
          presence: fc.constantFrom(undefined, undefined, ...PRESENCES),
          // Seconds, minutes, or longer than the session time-out.
          passedMs: fc.oneof(
            { weight: 4, arbitrary: fc.integer({ min: 1, max: 90_000 }) },
            { weight: 2, arbitrary: fc.integer({ min: 90_000, max: 800_000 }) },
            { weight: 1, arbitrary: fc.integer({ min: 900_000, max: 2_000_000 }) },
          ),
        }),
        { minLength: 2, maxLength: most },
      ),
    })
    .map(({ sites, places, users, steps }) => {
      let atMs = START_MS;
      return {
        sites: sites.map(([at, ups], i) => ({ site: `s${i}`, ...at, slots: 100, uplinks: ups })),
        fixes: steps.map((step) => {
          atMs += step.passedMs;
          const presence = step.presence && { presence: step.presence };
          return { user: `u${step.user % users}`, atMs, ...places[step.place % places.length]!, ...presence };
        }),
      };
    });
}

/** The input of a run of this policy. @param more for example `vms`, for one VM of all users */
export function inputOf(
  { sites, fixes }: { sites: readonly SiteSpec[]; fixes: readonly Fix[] },
  policy: string,
  more: Partial<RunInput> = {},
): RunInput {
  return { config: configWith({ policy: { name: policy } }), sites, batches: [fixes], ...more };
}

/** The decisions of a run, in order. */
export async function movesOf(trace: Parameters<typeof inputOf>[0], policy: string, policyOverride?: PlacementRule) {
  const moves: { atMs: number; vm: string; to: string }[] = [];
  const observe = (fact: Fact) => {
    if (fact.type !== 'placement.decided.v1') return;
    const { atMs, vm, to, verdict } = fact.data;
    moves.push({ atMs, vm, to: `${verdict} ${to}` });
  };
  await runPolicy(inputOf(trace, policy, { observe, ...(policyOverride && { policyOverride }) }));
  return moves;
}
