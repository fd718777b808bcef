import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Spread } from '#simulations/spread.ts';
import { distribution } from '#simulations/statistics.ts';
import { SEED } from '../../property/seed.ts';

const values = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 1e-6, max: 1e12, noNaN: true })), {
  minLength: 1,
  maxLength: 200,
});
const spreadOf = (given: readonly number[], exact?: number) => {
  const spread = new Spread(exact);
  for (const value of given) spread.add(value);
  return spread;
};

test('the figures of few values are exact', () => {
  fc.assert(
    fc.property(values, (given) => {
      expect(spreadOf(given, given.length).distribution).toEqual(distribution(given));
    }),
    { seed: SEED },
  );
  expect(new Spread().distribution).toEqual({ count: 0, mean: 0, p50: 0, p95: 0, max: 0 });
});

test('the quantiles of many values are exact to a thousandth, and mean and maximum are exact', () => {
  fc.assert(
    fc.property(values, (given) => {
      const exact = distribution(given);
      const { count, mean, p50, p95, max } = spreadOf(given, given.length - 1).distribution;
      expect([count, max]).toEqual([exact.count, exact.max]);
      expect(Math.abs(mean - exact.mean)).toBeLessThanOrEqual(1e-9 * exact.mean);
      expect(Math.abs(p50 - exact.p50)).toBeLessThanOrEqual(0.001 * exact.p50);
      expect(Math.abs(p95 - exact.p95)).toBeLessThanOrEqual(0.001 * exact.p95);
    }),
    { seed: SEED, numRuns: 1000 },
  );
});
