/** The laboratory gives the figures that others published, and the figures of their program. */
import { describe, expect } from 'vitest';
import { CONSTANT_COSTS, DISTANCE_COSTS, type HopCosts } from '#simulations/lab/costs.ts';
import { readRandomWaypoint } from '#simulations/lab/data/random-waypoint.ts';
import { WANG_FILES } from '#simulations/lab/data/set-ups.ts';
import { readWang } from '#simulations/lab/data/wang.ts';
import { asPublished } from '#simulations/lab/overflow.ts';
import { play } from '#simulations/lab/play.ts';
import { nearest, never } from '#simulations/lab/policies/baselines.ts';
import { OWN } from '#simulations/lab/policies/catalogue.ts';
import { mdp } from '#simulations/lab/policies/mdp.ts';
import { hysteresis, myopic, skiRental } from '#simulations/lab/policies/published.ts';
import { lookAhead, optimum } from '#simulations/lab/policies/yardsticks.ts';
import { everyNth, makeWorld } from '#simulations/lab/world.ts';
import { longOr } from '../../../../long.ts';
import { folderOf, testWith } from '../data.ts';

let read: ReturnType<typeof readWang> | undefined;

async function wang(sites: number, costs: HopCosts) {
  read ??= readWang(folderOf('wang-mdp'));
  const { plane, trace } = await read;
  return { world: makeWorld(plane.map, everyNth(plane.map.x.length, sites), costs), trace };
}

/** The ratio of cost to optimum with 200, 100 and 30 sites, and with 100 sites at constant cost; known numbers of moves. */
const RATIOS = [
  { policy: never, ratios: [1.726, 1.322, 1.111, 1.248], moves: [92, 88, 175] },
  { policy: nearest, ratios: [1.18, 1.263, 1.121, 1.1], moves: [49_834, 39_310, 22_831] },
  { policy: myopic, ratios: [1.726, 1.323, 1.111, 1.18], moves: [undefined, 90, 184] },
  { policy: mdp, ratios: [1.171, 1.11, 1.086, 1.017], moves: [48_954, 17_725, 1_543] },
  { policy: hysteresis(1), ratios: [1.176, 1.126, 1.095], moves: [undefined, 27_017, 19_673] },
  { policy: hysteresis(2), ratios: [1.172, 1.098, 1.05], moves: [49_203, 21_806, 10_511] },
  { policy: hysteresis(3), ratios: [1.274, 1.114, 1.045, 1.098], moves: [18_945, 14_518, 7_271] },
  { policy: hysteresis(4), ratios: [1.395, 1.174, 1.051], moves: [] },
  { policy: hysteresis(5), ratios: [1.5, 1.211, 1.067, 1.203], moves: [] },
  { policy: skiRental(0.5), ratios: [1.321, 1.149, 1.068, 1.017], moves: [] },
  { policy: skiRental(1), ratios: [1.412, 1.184, 1.066, 1.017], moves: [] },
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: a measured ratio, not log2(e).
  { policy: skiRental(2), ratios: [1.442, 1.217, 1.074, 1.092], moves: [] },
  { policy: lookAhead(5), ratios: [1.122, 1.099, 1.051, 1.026], moves: [] },
  { policy: lookAhead(15), ratios: [1.038, 1.02, 1.01, 1.005], moves: [] },
  { policy: lookAhead(60), ratios: [1.002, 1.001, 1.0, 1.0], moves: [] },
];

/** The most that our own policy may cost in these set-ups: less than any published rule. */
const OWN_AT_MOST = [1.12, 1.075, 1.037, 1.0165];

describe('a day of San Francisco taxis', () => {
  const setUps = [
    { i: 0, sites: 200, costs: DISTANCE_COSTS },
    { i: 1, sites: 100, costs: DISTANCE_COSTS },
    { i: 2, sites: 30, costs: DISTANCE_COSTS },
    { i: 3, sites: 100, costs: CONSTANT_COSTS },
  ];
  for (const { i, sites, costs } of longOr(setUps.slice(2, 3), setUps)) {
    testWith(WANG_FILES, `${sites} sites, ${costs.name} cost: each published rule has its published cost`, async () => {
      const { world, trace } = await wang(sites, costs);
      expect([trace.users, trace.slots, trace.userSlots]).toEqual([536, 1441, 373_754]);
      const least = play(optimum, world, trace).cost;
      for (const { policy, ratios, moves } of RATIOS) {
        const score = play(policy, world, trace);
        expect(score.cost, policy.name).toBeGreaterThanOrEqual(least * (1 - 1e-12));
        if (ratios[i] === undefined) continue;
        expect(Math.abs(score.cost / least - ratios[i]), policy.name).toBeLessThan(0.001);
        if (moves[i] !== undefined) expect(score.moves, policy.name).toBe(moves[i]);
      }
    });

    testWith(
      WANG_FILES,
      `${sites} sites, ${costs.name} cost: the policy that learns during the day costs less`,
      async () => {
        const { world, trace } = await wang(sites, costs);
        const ratio = play(OWN, world, trace).cost / play(optimum, world, trace).cost;
        expect(ratio).toBeLessThan(OWN_AT_MOST[i]!);
        const online = RATIOS.filter(({ policy }) => !policy.name.startsWith('look-ahead'));
        for (const { policy, ratios } of online) if (ratios[i]) expect(ratio, policy.name).toBeLessThan(ratios[i]);
      },
    );
  }

  testWith(WANG_FILES, '100 sites: the mean costs equal those of another computation', async () => {
    const { world, trace } = await wang(100, DISTANCE_COSTS);
    const means = [never, nearest, myopic, mdp].map((policy) => play(policy, world, trace).meanPerUserSlot);
    for (const [i, mean] of [0.948, 0.905, 0.948, 0.796].entries()) expect(means[i]).toBeCloseTo(mean, 3);
  });

  testWith(
    WANG_FILES,
    '100 sites of 50 users each: the authors’ four rules have the costs of their program',
    async () => {
      const { world, trace } = await wang(100, DISTANCE_COSTS);
      const mean = (policy: typeof never) => play(policy, world, trace, asPublished(50)).meanOfSlots;
      expect(mean(never)).toBeCloseTo(0.967, 3);
      expect(mean(nearest)).toBeCloseTo(0.999, 3);
      expect(mean(myopic)).toBeCloseTo(0.976, 3);
      expect(Math.abs(mean(mdp) / 0.818 - 1)).toBeLessThan(0.02);
    },
  );
});

describe('random waypoint on a grid of sites', () => {
  const changes = {
    u10_s10_t300_seed42: 53,
    u100_s10_t300_seed42: 532,
    u100_s100_t300_seed42: 535,
    u1000_s100_t300_seed42: 5285,
    u100_s100_t3600_seed42: 6070,
  };
  for (const [name, count] of Object.entries(changes)) {
    const needs = [`random-waypoint/${name}.csv.gz`, `random-waypoint/${name}.json.gz`];
    testWith(needs, `${name}: nearest moves ${count} times`, async () => {
      const { map, trace, stated, statedChanges } = await readRandomWaypoint(folderOf(`random-waypoint/${name}`));
      expect(trace.cells).toEqual(stated);
      const world = makeWorld(map, everyNth(map.x.length, map.x.length), DISTANCE_COSTS);
      expect([play(nearest, world, trace).moves, statedChanges]).toEqual([count, count]);
    });
  }
});
