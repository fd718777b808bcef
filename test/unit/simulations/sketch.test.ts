import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Sketch } from '#simulations/sketch.ts';
import { distribution } from '#simulations/statistics.ts';

function spreadOf(values: readonly number[]) {
  const sketch = new Sketch(2 ** (1 / 128));
  for (const value of values) sketch.add(value);
  return sketch.summary();
}

describe('a distribution in bounded memory', () => {
  test('without values is zero', () => {
    expect(spreadOf([])).toEqual({ weight: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0, steps: [] });
  });

  test('has quantiles within 0.28 %, the exact mean and the exact maximum', () => {
    const values = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(values, (list) => {
        const [spread, exact] = [spreadOf(list), distribution(list)];
        expect(Math.abs(spread.p50 - exact.p50)).toBeLessThanOrEqual(0.0028 * exact.p50);
        expect(Math.abs(spread.mean - exact.mean)).toBeLessThanOrEqual(1e-9 * exact.mean);
        expect(spread.max).toBe(exact.max);
        expect(spread.steps.at(-1)!.share).toBeCloseTo(1, 9);
        for (const [i, { value, share }] of spread.steps.entries()) {
          if (i > 0)
            expect([value > spread.steps[i - 1]!.value, share > spread.steps[i - 1]!.share]).toEqual([true, true]);
        }
      }),
    );
  });

  test('counts each value by its weight, also zero and values beyond its range', () => {
    const sketch = new Sketch(2 ** (1 / 128));
    sketch.add(0, 3);
    sketch.add(10, 1);
    sketch.add(2 ** 60, 1);
    const { weight, p50, p90, max, steps } = sketch.summary();
    expect([weight, p50, max]).toEqual([5, 0, 2 ** 60]);
    expect(p90).toBeGreaterThan(2 ** 39);
    expect(steps.map(({ share }) => share)).toEqual([0.6, 0.8, 1]);
  });
});
