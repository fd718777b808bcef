/** The contract of random sources (shared/random/random.ts). */
import { describe, expect, test } from 'vitest';
import type { Random } from '#shared/random/random.ts';

/** @param seeded makes a source from its seed */
export function randomContract(name: string, seeded: (seed: number) => Random): void {
  const draw = (seed: number, count: number) => {
    const random = seeded(seed);
    return Array.from({ length: count }, () => random.next());
  };

  describe(`the contract of random sources, kept by ${name}`, () => {
    test('the same seed gives the same numbers', () => {
      expect(draw(42, 1_000)).toEqual(draw(42, 1_000));
    });

    test('two sources of one seed are independent', () => {
      const [a, b] = [seeded(7), seeded(7)];
      a.next();
      a.next();
      expect(b.next()).toBe(draw(7, 1)[0]);
    });

    test.each([
      [1, 2],
      [0, 2 ** 32],
      [1, 1.5],
      [1, -1],
    ])('seeds %d and %d give other numbers', (one, other) => {
      expect(draw(one, 20)).not.toEqual(draw(other, 20));
    });

    test('every number is at least 0 and less than 1', () => {
      for (const seed of [0, 1, -1, 2 ** 31, 2 ** 53]) {
        for (const number of draw(seed, 20_000)) {
          expect(number).toBeGreaterThanOrEqual(0);
          expect(number).toBeLessThan(1);
        }
      }
    });

    // The seeds are fixed, so that the result never changes. One fair source in 2,000 exceeds 30 (chi-square, 9 degrees).
    test('numbers are spread evenly over the range', () => {
      for (const seed of [1, 2, 3]) expect(chiSquare(draw(seed, 100_000))).toBeLessThan(30);
    });

    test.each([0, 1, 2, 3])('draw %d of neighbouring seeds is spread evenly', (n) => {
      const draws = Array.from({ length: 10_000 }, (_, seed) => draw(seed, n + 1)[n] as number);
      expect(chiSquare(draws)).toBeLessThan(30);
      expect(Math.abs(correlation(draws.slice(1), draws.slice(0, -1)))).toBeLessThan(0.05);
    });
  });
}

/** The chi-square statistic of the numbers over ten equal parts of [0, 1). */
function chiSquare(numbers: readonly number[]): number {
  const counts = new Array<number>(10).fill(0);
  for (const number of numbers) counts[Math.floor(number * 10)]!++;
  const expected = numbers.length / 10;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

/** The coefficient of Pearson for two lists of the same length. */
function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (list: readonly number[]) => list.reduce((x, y) => x + y, 0) / list.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  const covariance = (x: readonly number[], mx: number, y: readonly number[], my: number) =>
    mean(x.map((value, i) => (value - mx) * (y[i]! - my)));
  return covariance(a, meanA, b, meanB) / Math.sqrt(covariance(a, meanA, a, meanA) * covariance(b, meanB, b, meanB));
}
