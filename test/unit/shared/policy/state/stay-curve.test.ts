/** The curve of a stay is compared with sums over the stays themselves. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BINS, binOf, exceededMs, HORIZON_MS, StayCurve, UNKNOWN_HAZARD } from '#shared/policy/state/stay-curve.ts';
import { SEED } from '../../../../property/seed.ts';

const MINUTE_MS = 60_000;

/** The curve of these stays, and of nothing else, after the users have been there for so long. */
function curveOf(staysMs: readonly number[], beenMs = 0): StayCurve {
  const curve = new StayCurve();
  const ended = new Float64Array(BINS);
  for (const ms of staysMs) ended[binOf(ms)]!++;
  let lasted = 0;
  for (let bin = BINS - 1; bin >= 0; bin--) {
    lasted += ended[bin]!;
    curve.hazards[bin] = lasted === 0 ? UNKNOWN_HAZARD : ended[bin]! / lasted;
  }
  curve.begin(beenMs);
  return curve;
}

function unknown(beenMs: number): StayCurve {
  const curve = new StayCurve();
  curve.hazards.fill(UNKNOWN_HAZARD);
  curve.begin(beenMs);
  return curve;
}

describe('the time that users are expected to stay', () => {
  test('is what is left of the stays that have lasted as long, on average', () => {
    const stays = Array.from({ length: 4000 }, (_, i) => MINUTE_MS / 2 + i * 200);
    for (const been of [0, 2, 5]) {
      const left = stays.filter((ms) => ms > been * MINUTE_MS).map((ms) => ms - been * MINUTE_MS);
      const mean = left.reduce((a, b) => a + b, 0) / left.length;
      const ratio = curveOf(stays, been * MINUTE_MS).expectedMs(0) / mean;
      // Off by what a bin blurs.
      expect(Math.abs(ratio - 1), `after ${been} min`).toBeLessThan(0.1);
    }
  });
  test('does not end with the last bin', () => {
    expect(unknown(3 * 24 * 60 * MINUTE_MS).expectedMs(0)).toBeGreaterThan(50 * MINUTE_MS);
    expect(unknown(3 * 24 * 60 * MINUTE_MS).bestDelayMs(MINUTE_MS, 20_000, 1.5)).toBe(0);
  });
  test('never grows with the delay, and never exceeds the horizon', () => {
    const stays = fc.array(fc.integer({ min: 0, max: 8 * 60 * MINUTE_MS }), { minLength: 1, maxLength: 50 });
    const time = fc.integer({ min: 0, max: 20 * 60 * MINUTE_MS });
    let positive = 0;
    fc.assert(
      fc.property(stays, time, time, time, (all, been, one, other) => {
        const curve = curveOf(all, been);
        const [sooner, later] = [Math.min(one, other), Math.max(one, other)];
        expect(curve.expectedMs(sooner)).toBeGreaterThanOrEqual(curve.expectedMs(later));
        expect(curve.expectedMs(later)).toBeGreaterThanOrEqual(0);
        expect(curve.expectedMs(sooner)).toBeLessThanOrEqual(Math.max(0, HORIZON_MS - sooner) + 1e-6);
        if (curve.expectedMs(sooner) > 0) positive++;
      }),
      { seed: SEED, numRuns: 1000 },
    );
    expect(positive).toBeGreaterThan(100);
  });
});

describe('the best delay', () => {
  test('is none where all stays are long, and no delay pays where all are short', () => {
    expect(curveOf([50 * MINUTE_MS]).bestDelayMs(2 * MINUTE_MS, 20_000, 1.5)).toBe(0);
    expect(curveOf([MINUTE_MS]).bestDelayMs(2 * MINUTE_MS, 20_000, 1.5)).toBe(Number.POSITIVE_INFINITY);
  });
  test('waits until those who pass through have gone where others stay', () => {
    const mixed = [...Array.from({ length: 40 }, () => 40_000), ...Array.from({ length: 10 }, () => 45 * MINUTE_MS)];
    const delayMs = curveOf(mixed).bestDelayMs(10 * MINUTE_MS, 20_000, 1);
    expect(delayMs).toBeGreaterThanOrEqual(40_000);
    expect(delayMs).toBeLessThan(2 * MINUTE_MS);
    // Once they have gone, it does not wait any more.
    expect(curveOf(mixed, 2 * MINUTE_MS).bestDelayMs(10 * MINUTE_MS, 20_000, 1)).toBe(0);
  });
  test('where nothing is known is about the ski-rental rule: the move and its payback, once each', () => {
    for (const paybackMs of [MINUTE_MS, 2 * MINUTE_MS, 5 * MINUTE_MS]) {
      const delayMs = unknown(0).bestDelayMs(paybackMs, 20_000, 1);
      expect(delayMs / (paybackMs + 20_000)).toBeGreaterThan(0.7);
      expect(delayMs / (paybackMs + 20_000)).toBeLessThan(1.4);
    }
  });
  test('is worth the margin, and no other delay is worth more by a bin', () => {
    const stays = fc.array(fc.integer({ min: 0, max: 2 * 60 * MINUTE_MS }), { minLength: 1, maxLength: 50 });
    let paying = 0;
    fc.assert(
      fc.property(
        stays,
        fc.integer({ min: 0, max: 30 * MINUTE_MS }),
        fc.integer({ min: 1_000, max: 20 * MINUTE_MS }),
        fc.constantFrom(1, 1.5, 3),
        (all, been, paybackMs, margin) => {
          const curve = curveOf(all, been);
          const delayMs = curve.bestDelayMs(paybackMs, 20_000, margin);
          if (delayMs === Number.POSITIVE_INFINITY) {
            expect(curve.expectedMs(20_000)).toBeLessThan(Math.max(1, margin) * paybackMs + 1e-6);
            return;
          }
          paying++;
          // At that time, if the users are still there.
          const then = curveOf(all, been + delayMs);
          expect(then.expectedMs(20_000)).toBeGreaterThan(margin * paybackMs * 0.99);
        },
      ),
      { seed: SEED, numRuns: 2000 },
    );
    expect(paying).toBeGreaterThan(200);
  });
});

test('half of the stays exceed the median', () => {
  const counts = new Float64Array(BINS);
  for (const ms of [10_000, 60_000, 600_000]) counts[binOf(ms)]! += 10;
  const medianMs = exceededMs(counts, 0.5);
  expect(binOf(medianMs)).toBe(binOf(60_000));
  expect(exceededMs(counts, 0.9)).toBeLessThan(medianMs);
  expect(exceededMs(new Float64Array(BINS), 0.5)).toBe(0);
});
