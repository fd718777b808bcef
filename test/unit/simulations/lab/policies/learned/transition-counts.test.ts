import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GONE, TransitionCounts } from '#simulations/lab/policies/learned/transition-counts.ts';
import { SEED } from '../../../../../property/seed.ts';

function nextOf(transitions: TransitionCounts, state: number): Map<number, number> {
  const next = new Map<number, number>();
  transitions.forEachNext(state, (to, probability) => next.set(to, (next.get(to) ?? 0) + probability));
  return next;
}

test('the probabilities of any counts are at least 0, and add up to at most 1', () => {
  const step = fc.tuple(fc.nat(3), fc.integer({ min: -1, max: 3 }), fc.integer({ min: 1, max: 30 }), fc.nat(4));
  fc.assert(
    fc.property(fc.array(step, { minLength: 1 }), (steps) => {
      const transitions = new TransitionCounts(4);
      for (const [cell, origin, dwell, next] of steps) {
        const from = transitions.state(cell, origin, dwell);
        transitions.count(from, next === 4 ? GONE : transitions.state(next, cell, next === cell ? dwell + 1 : 1));
      }
      for (let state = 0; state < transitions.size; state++) {
        const shares = [...nextOf(transitions, state).values()];
        expect(Math.min(...shares)).toBeGreaterThanOrEqual(0);
        expect(shares.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(1 + 1e-12);
      }
    }),
    { seed: SEED },
  );
});

test('frequent transitions have a high probability, separately for each origin', () => {
  const transitions = new TransitionCounts(5);
  const [fromLeft, fromRight] = [transitions.state(2, 1, 1), transitions.state(2, 3, 1)];
  const [toRight, toLeft] = [transitions.state(3, 2, 1), transitions.state(1, 2, 1)];
  for (let i = 0; i < 100; i++) {
    transitions.count(fromLeft, toRight);
    transitions.count(fromRight, toLeft);
  }
  expect(nextOf(transitions, fromLeft).get(toRight)).toBeGreaterThan(0.95);
  expect(nextOf(transitions, fromRight).get(toLeft)).toBeGreaterThan(0.95);
  // Without a known origin, both directions have the same probability.
  const unknown = nextOf(transitions, transitions.state(2, -1, 1));
  expect(unknown.get(toRight)).toBeCloseTo(unknown.get(toLeft)!, 12);
  // A new origin counts as an unknown one.
  const strange = nextOf(transitions, transitions.state(2, 4, 1));
  expect(strange.get(toRight)).toBeGreaterThan(0.3);
  // After a long stay the origin does not count.
  expect(transitions.state(2, 1, 9)).toBe(transitions.state(2, 3, 9));
});
