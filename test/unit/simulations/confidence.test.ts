import { describe, expect, test } from 'vitest';
import { seededRandom } from '#shared/random/random.ts';
import { estimate, studentT } from '#simulations/confidence.ts';

describe("Student's t", () => {
  test.each([
    [0.95, 1, 12.706],
    [0.95, 2, 4.303],
    [0.95, 3, 3.182],
    [0.95, 4, 2.776],
    [0.95, 9, 2.262],
    [0.95, 30, 2.042],
    [0.95, 1000, 1.962],
    [0.9, 5, 2.015],
    [0.99, 10, 3.169],
  ])('for %d with %d degrees of freedom is %d, as in the tables', (probability, freedom, t) => {
    expect(studentT(probability, freedom)).toBeCloseTo(t, 3);
  });

  test('is NaN without a degree of freedom', () => {
    expect(studentT(0.95, 0)).toBeNaN();
  });
});

test('2, 4, 6 have the mean 4 and the confidence of a deviation of 2', () => {
  const { mean, halfWidth } = estimate([2, 4, 6]);
  expect(mean).toBe(4);
  expect(halfWidth).toBeCloseTo((4.3027 * 2) / Math.sqrt(3), 3);
});

test('equal samples have an exact mean; one sample has no confidence', () => {
  expect(estimate([7, 7, 7])).toEqual({ mean: 7, halfWidth: 0 });
  expect(estimate([7])).toEqual({ mean: 7, halfWidth: Number.NaN });
});

test('the interval contains the true mean of normal samples in 95 of 100 cases', () => {
  const random = seededRandom(1);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  const cases = 4000;
  let within = 0;
  for (let i = 0; i < cases; i++) {
    const { mean, halfWidth } = estimate([normal(), normal(), normal(), normal(), normal()]);
    if (Math.abs(mean) <= halfWidth) within++;
  }
  // Three standard deviations of a share of 4000 cases.
  expect(Math.abs(within / cases - 0.95)).toBeLessThan(3 * Math.sqrt((0.95 * 0.05) / cases));
});
