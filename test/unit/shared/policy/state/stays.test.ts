import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '#shared/config/load.ts';
import { learnStay, noStays, type Stays, stayAt } from '#shared/policy/state/stays.ts';
import { line } from '../world.ts';

const PRIOR_MS = 600_000;
const MINUTE_MS = 60_000;

/** What a stay usually takes, of users who rest, or travel and take so long to cross. */
const usualMs = (stays: Stays, site: string, crossingMs = Number.POSITIVE_INFINITY) =>
  stayAt(stays, site, 0, { crossingMs, restingSinceMs: -1 }).usualMs;

describe('how long users are used to staying', () => {
  test('is the prior while nothing is known', () => {
    expect(usualMs(noStays(PRIOR_MS), 'home')).toBe(PRIOR_MS);
  });

  test('the first stay at a site counts in full, each after it by three tenths', () => {
    const stays = noStays(PRIOR_MS);
    learnStay(stays, 'home', 100_000);
    expect(usualMs(stays, 'home')).toBe(100_000);
    learnStay(stays, 'home', 200_000);
    expect(usualMs(stays, 'home')).toBeCloseTo(130_000, 6);
    learnStay(stays, 'home', 30_000);
    expect(usualMs(stays, 'home')).toBeCloseTo(100_000, 6);
  });

  test('at one site says nothing of another that is known', () => {
    const stays = noStays(PRIOR_MS);
    learnStay(stays, 'home', 8 * 60 * MINUTE_MS);
    for (let i = 0; i < 20; i++) learnStay(stays, 'station', 15 * MINUTE_MS);
    expect(usualMs(stays, 'home')).toBe(8 * 60 * MINUTE_MS);
    expect(usualMs(stays, 'station')).toBeCloseTo(15 * MINUTE_MS, 6);
  });

  test('at a site that is new is judged by all stays, the prior among them', () => {
    const stays = noStays(PRIOR_MS);
    learnStay(stays, 'home', 100_000);
    expect(usualMs(stays, 'elsewhere')).toBeCloseTo(0.7 * PRIOR_MS + 0.3 * 100_000, 6);
    for (let i = 0; i < 100; i++) learnStay(stays, 'home', 100_000);
    expect(usualMs(stays, 'elsewhere')).toBeCloseTo(100_000, 3);
  });

  test('is remembered of the sixteen sites stayed at last', () => {
    const stays = noStays(PRIOR_MS);
    for (let i = 0; i < 16; i++) learnStay(stays, `s${i}`, MINUTE_MS);
    // Stayed at again, it is no longer the oldest.
    learnStay(stays, 's0', MINUTE_MS);
    learnStay(stays, 's16', 2 * MINUTE_MS);
    expect(stays.bySite.map(({ site }) => site).sort()).toEqual(
      Array.from({ length: 17 }, (_, i) => `s${i}`)
        .filter((site) => site !== 's1')
        .sort(),
    );
    expect(usualMs(stays, 's0')).toBeCloseTo(MINUTE_MS, 6);
    expect(usualMs(stays, 's16')).toBe(2 * MINUTE_MS);
    expect(usualMs(stays, 's1')).toBe(stays.anywhereMs);
  });

  test('is no longer than crossing takes where users travel and were never before, and as ever where they were', () => {
    const stays = noStays(PRIOR_MS);
    learnStay(stays, 'home', 8 * 60 * MINUTE_MS);
    expect(usualMs(stays, 'road', 2 * MINUTE_MS)).toBe(2 * MINUTE_MS);
    expect(usualMs(stays, 'road', 100 * 60 * MINUTE_MS)).toBe(stays.anywhereMs);
    expect(usualMs(stays, 'home', 2 * MINUTE_MS)).toBe(8 * 60 * MINUTE_MS);
  });

  test('counts from when they came to rest, where they were never before', () => {
    const stays = noStays(PRIOR_MS);
    learnStay(stays, 'home', MINUTE_MS);
    const resting = { crossingMs: 2 * MINUTE_MS, restingSinceMs: 500 };
    expect(stayAt(stays, 'road', 300, resting)).toEqual({ sinceMs: 500, usualMs: 2 * MINUTE_MS });
    expect(stayAt(stays, 'road', 700, resting)).toEqual({ sinceMs: 700, usualMs: 2 * MINUTE_MS });
    expect(stayAt(stays, 'home', 300, resting)).toEqual({ sinceMs: 300, usualMs: MINUTE_MS });
  });

  test('is never shorter or longer than all that was lived through, and survives JSON', () => {
    const lived = fc.array(fc.tuple(fc.nat({ max: 30 }), fc.integer({ min: 0, max: 86_400_000 })), { minLength: 1 });
    fc.assert(
      fc.property(lived, (list) => {
        const stays = noStays(PRIOR_MS);
        for (const [site, ms] of list) learnStay(stays, `s${site}`, ms);
        expect(stays.bySite.length).toBe(Math.min(16, new Set(list.map(([site]) => site)).size));
        expect(JSON.parse(JSON.stringify(stays))).toEqual(stays);
        for (const [site] of list) {
          const known = stays.bySite.some((one) => one.site === `s${site}`);
          const own = known ? list.filter(([other]) => other === site) : [[-1, PRIOR_MS] as const, ...list];
          const all = own.map(([, ms]) => ms);
          expect(usualMs(stays, `s${site}`)).toBeGreaterThanOrEqual(Math.min(...all) - 1e-3);
          expect(usualMs(stays, `s${site}`)).toBeLessThanOrEqual(Math.max(...all) + 1e-3);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('the policy learns it from each change of the site that serves best', () => {
    const l = line(3);
    l.vm('v', 's0');
    l.attach('v', 'ann');
    const stays = () => l.world.placement.vms.get('v')!.stays;
    l.fix('v', 'ann', 0);
    l.pass(10 * MINUTE_MS);
    expect(stays().bySite).toEqual([]);
    l.fix('v', 'ann', 1);
    expect(stays().bySite).toEqual([{ site: 's0', ms: 10 * MINUTE_MS }]);
    l.pass(4 * MINUTE_MS);
    l.fix('v', 'ann', 1);
    l.pass(MINUTE_MS);
    l.fix('v', 'ann', 2);
    expect(stays().bySite).toEqual([
      { site: 's1', ms: 5 * MINUTE_MS },
      { site: 's0', ms: 10 * MINUTE_MS },
    ]);
    const { priorStayMs } = parseConfig('', 'test').policy;
    expect(stays().anywhereMs).toBeCloseTo(0.7 * (0.7 * priorStayMs + 3 * MINUTE_MS) + 1.5 * MINUTE_MS, 3);
  });
});
