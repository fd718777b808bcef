import fc from 'fast-check';
import { expect, test } from 'vitest';
import { distribution } from '#simulations/statistics.ts';

test('all figures of no values are zero', () => {
  expect(distribution([])).toEqual({ count: 0, mean: 0, p50: 0, p95: 0, max: 0 });
});

test('quantiles have the nearest rank, in any order of the values', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => ((i * 37) % 100) + 1);
  expect(distribution(hundred)).toEqual({ count: 100, mean: 50.5, p50: 50, p95: 95, max: 100 });
  // Numbers are not sorted as texts.
  expect(distribution([100, 9])).toMatchObject({ p50: 9, p95: 100 });
  expect(distribution([7])).toEqual({ count: 1, mean: 7, p50: 7, p95: 7, max: 7 });
});

test('each quantile is one of the values, with its share of values at or below it', () => {
  const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 });
  fc.assert(
    fc.property(values, (list) => {
      const before = [...list];
      const { p50, p95, max } = distribution(list);
      expect(list).toEqual(before);
      for (const [quantile, share] of [
        [p50, 0.5],
        [p95, 0.95],
        [max, 1],
      ] as const) {
        expect(list).toContain(quantile);
        expect(list.filter((value) => value <= quantile).length).toBeGreaterThanOrEqual(share * list.length);
        expect(list.filter((value) => value < quantile).length).toBeLessThan(share * list.length);
      }
    }),
  );
});
