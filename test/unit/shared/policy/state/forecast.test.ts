import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Forecast, PERIOD_MS, type StayBatch, type StayCount } from '#shared/policy/state/forecast.ts';
import { binOf, StayCurve } from '#shared/policy/state/stay-curve.ts';
import { SEED } from '../../../../property/seed.ts';

const MINUTE_MS = 60_000;
const WEEK = (7 * 24 * 60 * MINUTE_MS) / PERIOD_MS;
const PERIOD = 3000 * WEEK + 17;
const count = (site: string, from: string | null, ms: number, stays = 1): StayCount => ({
  ...{ site, bin: binOf(ms), stays },
  ...(from !== null && { from }),
});
const batch = (counts: readonly StayCount[], period = PERIOD, partition = 0): StayBatch => ({
  ...{ partition, period, counts },
});
const dueMs = (period: number) => (period + 2) * PERIOD_MS;

/** The time expected to be stayed at a site, in minutes; undefined: the site is not known. */
function minutes(forecast: Forecast, site: string, from: string | null, nowMs = dueMs(PERIOD)): number | undefined {
  const curve = new StayCurve();
  if (!forecast.outlook(site, from, nowMs, curve)) return undefined;
  curve.begin(0);
  return curve.expectedMs(0) / MINUTE_MS;
}

describe('the forecast', () => {
  test('knows nothing of a site where nobody was seen', () => {
    const forecast = new Forecast();
    forecast.add(batch([count('a', null, MINUTE_MS)]));
    expect(minutes(forecast, 'b', 'a')).toBeUndefined();
    expect(minutes(forecast, 'a', 'b')).toBeGreaterThan(0);
  });
  test('ignores a batch of a period that has not begun: the true ones of its partition still count', () => {
    const forecast = new Forecast();
    const nowMs = (PERIOD + 1) * PERIOD_MS;
    forecast.add(batch([count('b', null, MINUTE_MS)], Number.MAX_SAFE_INTEGER), nowMs);
    forecast.add(batch([count('a', null, MINUTE_MS)]), nowMs);
    expect(minutes(forecast, 'a', null)).toBeGreaterThan(0);
    expect(minutes(forecast, 'b', null)).toBeUndefined();
  });
  test('distinguishes by the way of entering, and borrows from the site where a way is new', () => {
    const forecast = new Forecast();
    forecast.add(batch([count('a', 'motorway', MINUTE_MS, 200), count('a', 'suburb', 40 * MINUTE_MS, 200)]));
    const [passing, staying, either] = ['motorway', 'suburb', 'new'].map((from) => minutes(forecast, 'a', from)!);
    expect(passing).toBeLessThan(3);
    expect(staying).toBeGreaterThan(30);
    expect(either).toBeGreaterThan(passing! + 5);
    expect(either).toBeLessThan(staying! - 5);
  });
  test('uses a batch one period after its end, not before', () => {
    const forecast = new Forecast();
    forecast.add(batch([count('a', null, MINUTE_MS)]));
    expect(minutes(forecast, 'a', null, dueMs(PERIOD) - 1)).toBeUndefined();
    expect(minutes(forecast, 'a', null, dueMs(PERIOD))).toBeDefined();
  });
  test('counts a batch once that comes twice', () => {
    const [once, twice] = [new Forecast(), new Forecast()];
    const one = batch([count('a', 'b', MINUTE_MS, 3)]);
    once.add(one);
    twice.add(one);
    twice.add(one);
    expect(twice.summary(dueMs(PERIOD))).toEqual(once.summary(dueMs(PERIOD)));
    twice.add(one);
    expect(twice.summary(dueMs(PERIOD + 9))[0]!.stays).toBe(3);
  });
  test('forgets: a stay counts half as much a week later', () => {
    const forecast = new Forecast();
    forecast.add(batch([count('a', null, MINUTE_MS, 8)]));
    expect(forecast.summary(dueMs(PERIOD))[0]).toMatchObject({ stays: 8 });
    forecast.add(batch([count('a', null, 40 * MINUTE_MS, 8)], PERIOD + WEEK));
    expect(forecast.summary(dueMs(PERIOD + WEEK))[0]).toMatchObject({ stays: 4 + 8 });
    expect(minutes(forecast, 'a', null, dueMs(PERIOD + WEEK))).toBeGreaterThan(20);
  });
  test('tells people where users come from and go to', () => {
    const forecast = new Forecast();
    forecast.add(
      batch([count('a', 'b', 10 * MINUTE_MS, 5), count('c', 'a', MINUTE_MS, 2), count('c', 'b', MINUTE_MS)]),
    );
    const [a, c] = forecast.summary(dueMs(PERIOD));
    expect(a).toMatchObject({ site: 'a', stays: 5, from: [{ site: 'b', stays: 5 }], to: [{ site: 'c', stays: 2 }] });
    expect(c).toMatchObject({ site: 'c', stays: 3, from: [{ site: 'a' }, { site: 'b' }], to: [] });
    expect(a!.medianMs).toBeGreaterThan(7 * MINUTE_MS);
    expect(a!.longMs).toBeGreaterThan(a!.medianMs);
  });
  test('stays bounded: further sites and ways count in the wider circle only', () => {
    const forecast = new Forecast();
    for (let i = 0; i < 20; i++) {
      const counts = Array.from({ length: 2048 }, (_, j) => count(`s${i}-${j}`, 'from', MINUTE_MS));
      forecast.add(batch(counts, PERIOD + i));
    }
    expect(forecast.summary(dueMs(PERIOD + 20)).length).toBeLessThan(32_768);
    expect(minutes(forecast, 's0-0', 'from', dueMs(PERIOD + 20))).toBeDefined();
  });
});

test('placements that receive the same batches in another order forecast the same, to the last digit', () => {
  const names = fc.constantFrom('a', 'b', 'c', 'd');
  const counts = fc.array(
    fc.record(
      { site: names, from: names, bin: fc.nat(27), stays: fc.integer({ min: 1, max: 9 }) },
      { requiredKeys: ['site', 'bin', 'stays'] },
    ),
    { maxLength: 12 },
  );
  const batches = fc.uniqueArray(
    fc.record({ partition: fc.nat(3), period: fc.integer({ min: PERIOD, max: PERIOD + 3 * WEEK }), counts }),
    { selector: ({ partition, period }) => `${partition} ${period}`, minLength: 2, maxLength: 20 },
  );
  let known = 0;
  fc.assert(
    fc.property(batches, fc.nat(), (all, shift) => {
      const inTurn = all.toSorted((x, y) => x.period - y.period || x.partition - y.partition);
      const [one, other] = [new Forecast(), new Forecast()];
      for (const each of inTurn) one.add(each);
      // Of one partition in order, but the partitions mixed in another way, and merged at other times.
      const by = (n: number) => (n + shift) % 4;
      for (const each of inTurn.toSorted((x, y) => by(x.partition) - by(y.partition))) {
        other.add(each);
        if (each.period % 2 === 0) other.summary(dueMs(PERIOD));
      }
      const nowMs = dueMs(PERIOD + 4 * WEEK);
      expect(other.summary(nowMs)).toEqual(one.summary(nowMs));
      if (one.summary(nowMs).length > 0) known++;
    }),
    { seed: SEED, numRuns: 300 },
  );
  expect(known).toBeGreaterThan(100);
});
