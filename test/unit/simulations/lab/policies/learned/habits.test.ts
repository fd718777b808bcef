import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GONE, Habits } from '#simulations/lab/policies/learned/habits.ts';
import { SEED } from '../../../../../property/seed.ts';

function nextOf(habits: Habits, situation: number): Map<number, number> {
  const next = new Map<number, number>();
  habits.forEachNext(situation, (to, probability) => next.set(to, (next.get(to) ?? 0) + probability));
  return next;
}

test('the probabilities of any counts are at least 0, and add up to at most 1', () => {
  const step = fc.tuple(fc.nat(3), fc.integer({ min: -1, max: 3 }), fc.integer({ min: 1, max: 30 }), fc.nat(4));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1 }), (steps) => {
      const habits = new Habits(4);
      for (const [cell, origin, dwell, next] of steps) {
        const from = habits.situation(cell, origin, dwell);
        habits.count(from, next === 4 ? GONE : habits.situation(next, cell, next === cell ? dwell + 1 : 1));
      }
      for (let situation = 0; situation < habits.size; situation++) {
        const shares = [...nextOf(habits, situation).values()];
        expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
        expect(shares.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(1 + 1e-12);
      }
    }),
    { seed: SEED },
  );
});

test('frequent transitions have a high probability, separately for each origin', () => {
  const habits = new Habits(5);
  const [fromLeft, fromRight] = [habits.situation(2, 1, 1), habits.situation(2, 3, 1)];
  const [toRight, toLeft] = [habits.situation(3, 2, 1), habits.situation(1, 2, 1)];
  for (let i = 0; i < 100; i++) {
    habits.count(fromLeft, toRight);
    habits.count(fromRight, toLeft);
  }
  expect(nextOf(habits, fromLeft).get(toRight)).toBeGreaterThan(0.95);
  expect(nextOf(habits, fromRight).get(toLeft)).toBeGreaterThan(0.95);
  // Without a known origin, both directions have the same probability.
  const unknown = nextOf(habits, habits.situation(2, -1, 1));
  expect(unknown.get(toRight)).toBeCloseTo(unknown.get(toLeft)!, 12);
  // A new origin counts as an unknown one.
  const strange = nextOf(habits, habits.situation(2, 4, 1));
  expect(strange.get(toRight)).toBeGreaterThan(0.3);
  // After a long stay the origin does not count.
  expect(habits.situation(2, 1, 9)).toBe(habits.situation(2, 3, 9));
});
