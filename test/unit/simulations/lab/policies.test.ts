import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { futureByHops } from '#shared/policy/rules/published/mdp-chain.ts';
import { DISTANCE_COSTS } from '#simulations/lab/costs.ts';
import { play } from '#simulations/lab/play.ts';
import { nearest, never } from '#simulations/lab/policies/baselines.ts';
import { OWN, POLICIES } from '#simulations/lab/policies/catalogue.ts';
import { hysteresis, lyapunov, myopic, skiRental, workFunction } from '#simulations/lab/policies/published.ts';
import { optimum } from '#simulations/lab/policies/yardsticks.ts';
import type { LabPolicy } from '#simulations/lab/policy.ts';
import { type CellTrace, cellTrace } from '#simulations/lab/trace.ts';
import type { World } from '#simulations/lab/world.ts';
import { SEED } from '../../../property/seed.ts';
import { anyRun, street, ways } from './worlds.ts';

/** The sites of a user, slot by slot. */
function sitesOf(policy: LabPolicy, world: World, trace: CellTrace): number[][] {
  const sites: number[][] = [];
  const spy: LabPolicy = {
    ...policy,
    begin(setting, future) {
      const chooser = policy.begin(setting, future);
      const note = (user: number, slot: number, site: number) => {
        sites[user] ??= [];
        sites[user][slot] = site;
        return site;
      };
      return {
        ...chooser,
        place: (user, cell, slot) =>
          note(user, slot, chooser.place?.(user, cell, slot) ?? setting.world.nearest[cell]!),
        choose: (user, cell, at, slot) => note(user, slot, chooser.choose(user, cell, at, slot)),
      };
    },
  };
  play(spy, world, trace);
  return sites;
}

describe('for a user who walks along a street of 30 cells with a site each', () => {
  const walk = ways([...Array(30).keys()]);
  const first = (policy: LabPolicy) => sitesOf(policy, street(30), walk)[0]!.findIndex((site) => site !== 0);

  test.each<[LabPolicy, number]>([
    [nearest, 1],
    [hysteresis(1), 1],
    [hysteresis(3), 3],
    [never, 20],
    [myopic, 20],
    // 0.2 + 0.36 + 0.488 + 0.5904 against 2 - 0.8^4 = 1.5904.
    [skiRental(1), 4],
  ])('$name leaves the first site after $1 steps', (policy, steps) => {
    expect(first(policy)).toBe(steps);
  });

  test('the work function moves, but less often than nearest', () => {
    const { moves } = play(workFunction, street(30), walk);
    expect(moves).toBeGreaterThan(0);
    expect(moves).toBeLessThan(29);
  });
});

test('the published chain migrates from two hops on if a seventh of the users leaves the cell', () => {
  const future = futureByHops(DISTANCE_COSTS, 0.14 / 6);
  const cost = (state: number, to: number) =>
    (state === to ? 0 : DISTANCE_COSTS.move(state - to)) + DISTANCE_COSTS.serve(to) + future[to]!;
  const migrates = (state: number) => cost(state, 0) < cost(state, state);
  expect([1, 2, 3].map(migrates)).toEqual([false, true, true]);
  expect(future.every((value, hops) => hops === 0 || value > future[hops - 1]!)).toBe(true);
});

test('drift plus penalty keeps to its budget for moving', () => {
  const to = ways(Array.from({ length: 400 }, (_, slot) => (slot % 2) * 5));
  const budget = 0.1;
  const sites = sitesOf(lyapunov(1, budget), street(6), to)[0]!;
  const spent = sites.reduce((sum, site, slot) => {
    const before = sites[Math.max(0, slot - 1)]!;
    return sum + (site === before ? 0 : DISTANCE_COSTS.move(Math.abs(site - before)));
  }, 0);
  expect(spent).toBeGreaterThan(0.5 * budget * 400);
  expect(spent).toBeLessThan(1.5 * budget * 400);
});

test('a policy that sees the past only does not depend on the future', () => {
  const honest = POLICIES.filter(({ sees }) => sees === 'past');
  expect(honest.length).toBeGreaterThan(10);
  fc.assert(
    fc.property(anyRun, fc.nat(), ({ world, trace }, n) => {
      const upTo = n % trace.slots;
      const altered = trace.cells.map((cell, i) =>
        Math.floor(i / trace.users) > upTo ? (cell + 2) % world.cells : cell,
      );
      // The load stays the same, because it is part of the costs.
      const other = { ...cellTrace(trace.users, trace.slots, altered), load: trace.load };
      for (const policy of honest) {
        const [one, two] = [sitesOf(policy, world, trace), sitesOf(policy, world, other)];
        const until = (sites: number[][]) => sites.map((ofUser) => ofUser.slice(0, upTo + 1));
        const padded = (sites: number[][]) =>
          Array.from({ length: trace.users }, (_, user) =>
            Array.from({ length: upTo + 1 }, (_, slot) => until(sites)[user]?.[slot] ?? -1),
          );
        expect(padded(one), policy.name).toEqual(padded(two));
      }
    }),
    { seed: SEED, numRuns: 60 },
  );
});

test('a policy that sees the past only does not get the trace', () => {
  let given: unknown = 'nothing yet';
  const curious: LabPolicy = {
    ...nearest,
    begin(setting, future) {
      given = future;
      return nearest.begin(setting);
    },
  };
  play(curious, street(2), ways([0, 1]));
  expect(given).toBeUndefined();
});

describe('the learning policy', () => {
  /** A day on a street of 12 cells: users walk to the end, stay there, and leave, again and again. */
  const day = (users: number) =>
    ways(
      ...Array.from({ length: users }, (_, user) =>
        Array.from({ length: 600 }, (_, slot) => {
          const at = (slot + user * 7) % 60;
          return at < 12 ? at : at < 50 ? 11 : -1;
        }),
      ),
    );

  test('waits where users will stay, and does not follow users who pass', () => {
    const sites = sitesOf(OWN, street(12), day(20));
    const lastHour = sites.map((ofUser) => ofUser.slice(540));
    const used = new Set(lastHour.flat().filter((site) => site !== undefined));
    // The users are almost deterministic, so that a service at the end of the street is right from the beginning.
    expect(used.has(11)).toBe(true);
    const [own, best] = [play(OWN, street(12), day(20)).cost, play(optimum, street(12), day(20)).cost];
    expect(own / best).toBeLessThan(1.1);
    const published = POLICIES.filter(({ sees, name }) => sees === 'past' && !name.startsWith('learned'));
    for (const policy of published) expect(own, policy.name).toBeLessThan(play(policy, street(12), day(20)).cost);
  });

  test('keeps nothing from one run to the next', () => {
    expect(play(OWN, street(12), day(5))).toEqual(play(OWN, street(12), day(5)));
  });
});
