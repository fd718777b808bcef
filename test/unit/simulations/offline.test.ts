import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PERSONAL_VM } from '#services/replay/personal-vms.ts';
import { LIVE_NAMES } from '#shared/policy/rules/named.ts';
import type { PlacementRule } from '#shared/policy/rules/published/rule.ts';
import { cheapestRoute, type PlannerInput } from '#simulations/offline/cheapest-route.ts';
import { foresee } from '#simulations/offline/foresight.ts';
import type { Itinerary } from '#simulations/offline/itinerary.ts';
import { Legs, leastMovedWeights } from '#simulations/offline/legs.ts';
import { plannerInputFor } from '#simulations/offline/planner-input.ts';
import { runPolicy } from '#simulations/run-policy.ts';
import { SEED } from '../../property/seed.ts';
import { anyTrace, inputOf, movesOf, START_MS } from './made.ts';

/** One VM of all users, at the first site. */
const shared = (users: number) => [
  {
    vm: 'shared',
    home: 's0',
    spec: PERSONAL_VM,
    sessions: Array.from({ length: users }, (_, i) => ({ user: `u${i}`, weight: 1 + i })),
  },
];

/** The least cost over all sequences of sites. */
function leastOfAll(itinerary: Itinerary, { sites, settings, moveCosts }: PlannerInput): number {
  const legs = new Legs(itinerary, sites, settings);
  const weights = leastMovedWeights(itinerary, settings.move.releaseMs);
  let routes = [{ site: itinerary.home, userMs: 0 }];
  for (let entry = 0; entry + 1 < itinerary.atMs.length; entry++) {
    legs.goTo(entry);
    const durationS = legs.durationS(entry);
    routes = routes.flatMap(({ site, userMs }) =>
      [...sites.list.keys()].map((to) => ({
        site: to,
        userMs:
          userMs + (to === site ? 0 : moveCosts.between(site, to, weights[entry]!)) + durationS * legs.servingRate(to),
      })),
    );
  }
  return routes.reduce((least, { userMs }) => Math.min(least, userMs), Number.POSITIVE_INFINITY);
}

describe('the optimum', () => {
  test('is the least cost of all sequences of sites', async () => {
    let moved = 0;
    await fc.assert(
      fc.asyncProperty(anyTrace(6), fc.boolean(), async (trace, together) => {
        const input = inputOf(trace, 'never', together ? { vms: shared(3) } : {});
        const { itineraries } = await foresee(input);
        const inputFor = plannerInputFor(input);
        for (const itinerary of itineraries.values()) {
          const input = inputFor(itinerary.spec);
          const { totalUserMs, last } = cheapestRoute(itinerary, input);
          moved += last.moves;
          const least = leastOfAll(itinerary, input);
          expect(Math.abs(totalUserMs - least)).toBeLessThanOrEqual(1e-9 * (1 + least));
        }
      }),
      { seed: SEED, numRuns: 150 },
    );
    expect(moved).toBeGreaterThan(50);
  });

  test('is at most the cost of each policy on the same positions', async () => {
    const policies = [
      ...LIVE_NAMES,
      'hysteresis(1)',
      'myopic(600)',
      'ski-rental(0.2)',
      'look-ahead(60)',
      'look-ahead(100000)',
      'receding-horizon(60)',
      'contended-optimum',
      'tagalong-knows-stay',
      'tagalong-knows-site',
      'tagalong-knows-both',
    ];
    let moves = 0;
    let closest = Number.POSITIVE_INFINITY;
    await fc.assert(
      fc.asyncProperty(anyTrace(40), fc.boolean(), async (trace, together) => {
        const more = together ? { vms: shared(3) } : {};
        const bound = await runPolicy(inputOf(trace, 'optimum', more));
        for (const policy of policies) {
          const run = await runPolicy(inputOf(trace, policy, more));
          expect(bound.locations.teleport, policy).toBe(run.locations.teleport);
          expect(bound.cost.totalUserMs, policy).toBeLessThanOrEqual(run.cost.totalUserMs * (1 + 1e-6) + 1e-6);
          moves += run.migrations.completed;
          if (bound.migrations.completed > 0)
            closest = Math.min(closest, run.cost.totalUserMs / bound.cost.totalUserMs);
        }
      }),
      { seed: SEED, numRuns: 40 },
    );
    expect(moves).toBeGreaterThan(100);
    expect(closest, 'some policies come near').toBeLessThan(1.2);
  });

  test('stays at home for a user who rests', async () => {
    const fixes = Array.from({ length: 10 }, (_, i) => ({ user: 'u', atMs: START_MS + i * 60_000, lat: 40, lon: 5 }));
    const site = (name: string, lat: number) => ({
      site: name,
      lat,
      lon: 5,
      slots: 1,
      uplinks: [{ provider: 'a', rateBps: 1e8 }],
    });
    const run = await runPolicy(inputOf({ sites: [site('here', 40), site('there', 41)], fixes }, 'optimum'));
    expect(run).toMatchObject({
      isBound: true,
      migrations: { completed: 0 },
      cost: { totalUserMs: 0, userHours: 0.15 },
    });
  });
});

test('a policy that does not know the future decides nothing by later positions', async () => {
  let decided = 0;
  await fc.assert(
    fc.asyncProperty(anyTrace(40), fc.nat(), async ({ sites, fixes }, n) => {
      const upTo = n % fixes.length;
      const untilMs = fixes[upTo]!.atMs;
      const altered = fixes.map((fix, i) => (i > upTo ? { ...fix, lat: 84.5 - fix.lat, lon: 16 - fix.lon } : fix));
      for (const policy of [...LIVE_NAMES, 'learned-mdp']) {
        const [one, other] = [
          await movesOf({ sites, fixes }, policy),
          await movesOf({ sites, fixes: altered }, policy),
        ];
        const before = (moves: typeof one) => moves.filter(({ atMs }) => atMs <= untilMs);
        expect(before(one), policy).toEqual(before(other));
        decided += before(one).length;
      }
    }),
    { seed: SEED, numRuns: 60 },
  );
  expect(decided).toBeGreaterThan(100);
});

test('a rule that chooses the best site decides as nearest does, though nearest does not evaluate every position', async () => {
  const best: PlacementRule = { name: 'best', begin: () => ({}), choose: ({ best }) => best };
  let decided = 0;
  await fc.assert(
    fc.asyncProperty(anyTrace(40), async ({ sites, fixes }) => {
      // Two sites only: with more, nearest also returns when a third one becomes the best.
      const trace = { sites: sites.slice(0, 2), fixes };
      const [rule, nearest] = [await movesOf(trace, 'nearest', best), await movesOf(trace, 'nearest')];
      const leaving = (moves: typeof rule) => moves.filter(({ to }) => !to.startsWith('stay'));
      expect(leaving(rule)).toEqual(leaving(nearest));
      decided += leaving(rule).length;
    }),
    // About one move a trace.
    { seed: SEED, numRuns: 150 },
  );
  expect(decided).toBeGreaterThan(50);
});

test('look-ahead comes nearer to the optimum with a longer view', async () => {
  // The user goes back and forth, for long stays and for a minute.
  const stays = [10, 1, 12, 2, 1, 15, 1, 9];
  const places = stays.flatMap((minutes, i) => Array.from({ length: minutes }, () => i % 2));
  const fixes = places.map((place, i) => ({ user: 'u', atMs: START_MS + i * 60_000, lat: 40 + place, lon: 5 }));
  const site = (name: string, lat: number) => ({
    site: name,
    lat,
    lon: 5,
    slots: 1,
    uplinks: [{ provider: 'a', rateBps: 1e8 }],
  });
  const trace = { sites: [site('here', 40), site('there', 41)], fixes };
  const cost = async (policy: string) => (await runPolicy(inputOf(trace, policy))).cost.totalUserMs;
  const [blind, far, least] = [await cost('look-ahead(1)'), await cost('look-ahead(3600)'), await cost('optimum')];
  expect(far).toBeLessThan(blind);
  expect(far / least).toBeLessThan(1.1);
});

test('learned-mdp learns the stays of users, and costs less than ski-rental', async () => {
  // Each user changes the site every half hour, each from another minute on.
  const fixes = Array.from({ length: 600 }, (_, minute) =>
    Array.from({ length: 20 }, (_, user) => ({
      user: `u${user}`,
      atMs: START_MS + minute * 60_000 + user,
      lat: 40 + (Math.floor((minute + 3 * user) / 30) % 2),
      lon: 5,
    })),
  ).flat();
  const uplinks = ['a', 'b'].map((provider) => ({ provider, rateBps: 1e9 }));
  const sites = [40, 41].map((lat) => ({ site: `s${lat}`, lat, lon: 5, slots: 100, uplinks }));
  const run = async (policy: string) => (await runPolicy(inputOf({ sites, fixes }, policy))).cost.totalUserMs;
  const [learned, proven, never] = [await run('learned-mdp'), await run('ski-rental(1)'), await run('never')];
  expect(learned).toBeLessThan(proven);
  expect(proven).toBeLessThan(never);
});
