import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boundsOf, DensityCounter } from '#simulations/picture/density.ts';
import { Sketch } from '#simulations/sketch.ts';
import { distribution } from '#simulations/statistics.ts';

function spreadOf(values: readonly number[]) {
  const sketch = new Sketch(2 ** (1 / 128));
  for (const value of values) sketch.add(value);
  return sketch.summary();
}

describe('a distribution in bounded memory', () => {
  test('of nothing is nothing', () => {
    expect(spreadOf([])).toEqual({ weight: 0, mean: 0, p50: 0, p90: 0, p99: 0, max: 0, steps: [] });
  });

  test('has quantiles that are off by 0.28 % at most, the mean, and the largest value itself', () => {
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

  test('counts each value by its weight, also that of nothing and of more than it has room for', () => {
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

describe('a density', () => {
  const sites = [
    { lat: 52, lon: 4 },
    { lat: 53, lon: 5 },
  ];

  test('has square cells, north up, and what lies outside is counted as that', () => {
    const bounds = boundsOf(sites);
    const counter = new DensityCounter(bounds);
    counter.add(bounds.north - 1e-6, bounds.west + 1e-6);
    counter.add(bounds.south + 1e-6, bounds.east - 1e-6);
    counter.add(52.5, 4.5);
    counter.add(bounds.north + 0.01, 4.5);
    counter.add(52.5, bounds.west - 0.01);
    const { columns, rows, counts, outside } = counter.density();
    expect([counts.at(0), counts.at(-1), outside]).toEqual([1, 1, 2]);
    expect(counts[Math.floor(rows / 2) * columns + Math.floor(columns / 2)]).toBe(1);
    expect(Math.max(rows, columns)).toBe(480);
    // A degree of latitude is 111 km, one of longitude cos 52.5° of that.
    const heightKm = (bounds.north - bounds.south) / rows;
    const widthKm = ((bounds.east - bounds.west) * Math.cos((52.5 * Math.PI) / 180)) / columns;
    expect(widthKm / heightKm).toBeCloseTo(1, 1);
  });

  test('of sites at one place still shows a kilometre around them', () => {
    const { north, south } = boundsOf([{ lat: 52, lon: 4 }]);
    expect((north - south) * 111.2).toBeCloseTo(2, 1);
  });
});
