import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '#shared/config/load.ts';
import { type DwellTimes, dwellAt, learnDwell, newDwellTimes } from '#shared/policy/state/dwell-times.ts';
import { line } from '../world.ts';

const PRIOR_MS = 600_000;
const MINUTE_MS = 60_000;

/** The usual stay at a site. @param crossingMs how long travelling users take to cross it; infinite: they rest */
const usualMs = (dwellTimes: DwellTimes, site: string, crossingMs = Number.POSITIVE_INFINITY) =>
  dwellAt(dwellTimes, site, 0, { crossingMs, restingSinceMs: -1 }).usualMs;

describe('the usual stay', () => {
  test('is the prior without any stay', () => {
    expect(usualMs(newDwellTimes(PRIOR_MS), 'home')).toBe(PRIOR_MS);
  });

  test('is the first stay at a site, and then moves by three tenths with each stay', () => {
    const dwellTimes = newDwellTimes(PRIOR_MS);
    learnDwell(dwellTimes, 'home', 100_000);
    expect(usualMs(dwellTimes, 'home')).toBe(100_000);
    learnDwell(dwellTimes, 'home', 200_000);
    expect(usualMs(dwellTimes, 'home')).toBeCloseTo(130_000, 6);
    learnDwell(dwellTimes, 'home', 30_000);
    expect(usualMs(dwellTimes, 'home')).toBeCloseTo(100_000, 6);
  });

  test('at one site does not depend on other known sites', () => {
    const dwellTimes = newDwellTimes(PRIOR_MS);
    learnDwell(dwellTimes, 'home', 8 * 60 * MINUTE_MS);
    for (let i = 0; i < 20; i++) learnDwell(dwellTimes, 'station', 15 * MINUTE_MS);
    expect(usualMs(dwellTimes, 'home')).toBe(8 * 60 * MINUTE_MS);
    expect(usualMs(dwellTimes, 'station')).toBeCloseTo(15 * MINUTE_MS, 6);
  });

  test('at a new site is the average over all sites and the prior', () => {
    const dwellTimes = newDwellTimes(PRIOR_MS);
    learnDwell(dwellTimes, 'home', 100_000);
    expect(usualMs(dwellTimes, 'elsewhere')).toBeCloseTo(0.7 * PRIOR_MS + 0.3 * 100_000, 6);
    for (let i = 0; i < 100; i++) learnDwell(dwellTimes, 'home', 100_000);
    expect(usualMs(dwellTimes, 'elsewhere')).toBeCloseTo(100_000, 3);
  });

  test('is known for the last sixteen sites', () => {
    const dwellTimes = newDwellTimes(PRIOR_MS);
    for (let i = 0; i < 16; i++) learnDwell(dwellTimes, `s${i}`, MINUTE_MS);
    // After another stay, s0 is not the oldest any more.
    learnDwell(dwellTimes, 's0', MINUTE_MS);
    learnDwell(dwellTimes, 's16', 2 * MINUTE_MS);
    expect(dwellTimes.bySite.map(({ site }) => site).sort()).toEqual(
      Array.from({ length: 17 }, (_, i) => `s${i}`)
        .filter((site) => site !== 's1')
        .sort(),
    );
    expect(usualMs(dwellTimes, 's0')).toBeCloseTo(MINUTE_MS, 6);
    expect(usualMs(dwellTimes, 's16')).toBe(2 * MINUTE_MS);
    expect(usualMs(dwellTimes, 's1')).toBe(dwellTimes.anywhereMs);
  });

  test('of travelling users is at most the crossing time at a new site, and the known one at a known site', () => {
    const dwellTimes = newDwellTimes(PRIOR_MS);
    learnDwell(dwellTimes, 'home', 8 * 60 * MINUTE_MS);
    expect(usualMs(dwellTimes, 'road', 2 * MINUTE_MS)).toBe(2 * MINUTE_MS);
    expect(usualMs(dwellTimes, 'road', 100 * 60 * MINUTE_MS)).toBe(dwellTimes.anywhereMs);
    expect(usualMs(dwellTimes, 'home', 2 * MINUTE_MS)).toBe(8 * 60 * MINUTE_MS);
  });

  test('at a new site counts from the beginning of the rest', () => {
    const dwellTimes = newDwellTimes(PRIOR_MS);
    learnDwell(dwellTimes, 'home', MINUTE_MS);
    const resting = { crossingMs: 2 * MINUTE_MS, restingSinceMs: 500 };
    expect(dwellAt(dwellTimes, 'road', 300, resting)).toEqual({ sinceMs: 500, usualMs: 2 * MINUTE_MS });
    expect(dwellAt(dwellTimes, 'road', 700, resting)).toEqual({ sinceMs: 700, usualMs: 2 * MINUTE_MS });
    expect(dwellAt(dwellTimes, 'home', 300, resting)).toEqual({ sinceMs: 300, usualMs: MINUTE_MS });
  });

  test('lies between the shortest and the longest stay, and survives JSON', () => {
    const lived = fc.array(fc.tuple(fc.nat({ max: 30 }), fc.integer({ min: 0, max: 86_400_000 })), { minLength: 1 });
    fc.assert(
      fc.property(lived, (list) => {
        const dwellTimes = newDwellTimes(PRIOR_MS);
        for (const [site, ms] of list) learnDwell(dwellTimes, `s${site}`, ms);
        expect(dwellTimes.bySite.length).toBe(Math.min(16, new Set(list.map(([site]) => site)).size));
        expect(JSON.parse(JSON.stringify(dwellTimes))).toEqual(dwellTimes);
        for (const [site] of list) {
          const known = dwellTimes.bySite.some((one) => one.site === `s${site}`);
          const own = known ? list.filter(([other]) => other === site) : [[-1, PRIOR_MS] as const, ...list];
          const all = own.map(([, ms]) => ms);
          expect(usualMs(dwellTimes, `s${site}`)).toBeGreaterThanOrEqual(Math.min(...all) - 1e-3);
          expect(usualMs(dwellTimes, `s${site}`)).toBeLessThanOrEqual(Math.max(...all) + 1e-3);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('is learned at each change of the best site', () => {
    const l = line(3);
    l.vm('v', 's0');
    l.attach('v', 'ann');
    const dwellTimes = () => l.world.placement.vms.get('v')!.dwellTimes;
    l.fix('v', 'ann', 0);
    l.pass(10 * MINUTE_MS);
    expect(dwellTimes().bySite).toEqual([]);
    l.fix('v', 'ann', 1);
    expect(dwellTimes().bySite).toEqual([{ site: 's0', ms: 10 * MINUTE_MS }]);
    l.pass(4 * MINUTE_MS);
    l.fix('v', 'ann', 1);
    l.pass(MINUTE_MS);
    l.fix('v', 'ann', 2);
    expect(dwellTimes().bySite).toEqual([
      { site: 's1', ms: 5 * MINUTE_MS },
      { site: 's0', ms: 10 * MINUTE_MS },
    ]);
    const { priorStayMs } = parseConfig('', 'test').policy;
    expect(dwellTimes().anywhereMs).toBeCloseTo(0.7 * (0.7 * priorStayMs + 3 * MINUTE_MS) + 1.5 * MINUTE_MS, 3);
  });
});
