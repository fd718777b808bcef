/** The pruned dynamic programming gives the result of the plain one, which examines each pair of sites. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { play } from '#simulations/lab/play.ts';
import { POLICIES } from '#simulations/lab/policies/catalogue.ts';
import { optimum } from '#simulations/lab/policies/yardsticks.ts';
import type { CellTrace } from '#simulations/lab/trace.ts';
import type { World } from '#simulations/lab/world.ts';
import { SEED } from '../../../property/seed.ts';
import { anyRun, street, ways } from './worlds.ts';

/** V_t(k) = c_d(t, k) + min_h { V_{t-1}(h) + c_m(t, h, k) }, from each appearance of each user. */
function plainOptimum(world: World, { users, slots, cells, load }: CellTrace): number {
  const sites = [...Array(world.sites).keys()];
  let total = 0;
  for (let user = 0; user < users; user++) {
    let values: number[] | undefined;
    for (let slot = 0; slot < slots; slot++) {
      const cell = cells[slot * users + user]!;
      const g = load[slot]!;
      if (cell < 0) {
        total += values ? Math.min(...values) : 0;
        values = undefined;
        continue;
      }
      const before = values;
      const reached = (k: number) =>
        before ? Math.min(...sites.map((h) => before[h]! + g * world.move[h * world.sites + k]!)) : g * world.placing;
      values = sites.map((k) => reached(k) + g * world.serve[cell * world.sites + k]!);
    }
    total += values ? Math.min(...values) : 0;
  }
  return total;
}

test('the optimum has the cost of the plain programming in any world', () => {
  let moved = 0;
  fc.assert(
    fc.property(anyRun, ({ world, trace }) => {
      const { cost, moves } = play(optimum, world, trace);
      expect(cost).toBeCloseTo(plainOptimum(world, trace), 9);
      moved += moves;
    }),
    { seed: SEED, numRuns: 300 },
  );
  expect(moved).toBeGreaterThan(0);
});

test('no policy costs less than the optimum', () => {
  fc.assert(
    fc.property(anyRun, ({ world, trace }) => {
      const least = play(optimum, world, trace).cost;
      for (const policy of POLICIES) {
        expect(play(policy, world, trace).cost, policy.name).toBeGreaterThanOrEqual(least - 1e-9);
      }
    }),
    { seed: SEED, numRuns: 100 },
  );
});

test('the optimum moves at once if the stay pays for it', () => {
  // n slots away from home cost 0.2 n; two moves cost 2.4.
  const trip = (slots: number) => ways([0, 0, ...Array(slots).fill(1), 0, 0, 0, 0, 0, 0, 0]);
  expect(play(optimum, street(2), trip(5)).moves).toBe(0);
  expect(play(optimum, street(2), ways([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1])).moves).toBe(1);
});
