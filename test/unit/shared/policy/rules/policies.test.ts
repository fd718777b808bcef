import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { benefitUserMs, expectedDwellMs, policyNamed } from '#shared/policy/rules/policies.ts';
import { StayCurve } from '#shared/policy/state/stay-curve.ts';

const tuning = { dwellMs: 30_000, margin: 1.5 };
const tagalong = policyNamed('tagalong', tuning);
const option = (more = {}) => ({ gainUserMsPerS: 10, costUserMs: 1_000, durationMs: 20_000, ...more });
const at = ({ nowMs = 100_000, sinceMs = 100_000, usualMs = 600_000 } = {}) => ({ nowMs, dwell: { sinceMs, usualMs } });

describe('tagalong', () => {
  test('waits for the dwell time if the usual stay pays for the move', () => {
    expect(tagalong.readyAtMs(option(), at())).toBe(130_000);
  });
  test('waits for a longer stay if the rest of the usual stay does not pay for the move', () => {
    // The move takes 20 s, and 1.5 × 1000 user-ms take 150 s at 10 user-ms a second.
    const paying = 20_000 + 150_000;
    expect(tagalong.readyAtMs(option(), at({ usualMs: 30_000 + paying }))).toBe(130_000);
    // A stay of 1.5 times the usual length counts as an unusual one.
    expect(tagalong.readyAtMs(option(), at({ usualMs: 30_000 + paying - 1 }))).toBe(
      100_000 + Math.ceil(1.5 * (30_000 + paying - 1)),
    );
    expect(tagalong.readyAtMs(option(), at({ usualMs: 60_000 }))).toBe(100_000 + paying);
  });
  test('judges by the rest of the stay at an evaluation after the dwell time', () => {
    const later = { nowMs: 200_000 };
    expect(tagalong.readyAtMs(option(), at({ ...later, usualMs: 270_000 }))).toBe(130_000);
    expect(tagalong.readyAtMs(option(), at({ ...later, usualMs: 269_999 }))).toBe(100_000 + 404_999);
  });
  test('waits for the dwell time, although a shorter stay would pay', () => {
    const cheap = option({ durationMs: 1_000, costUserMs: 1 });
    expect(tagalong.readyAtMs(cheap, at({ usualMs: 0 }))).toBe(130_000);
  });
  test('orders a move that is worth the margin at the first evaluation when it is ready', () => {
    const figure = (max: number) => fc.double({ min: 0.01, max, noNaN: true });
    let atDwell = 0;
    let atProof = 0;
    fc.assert(
      fc.property(
        fc.record({ gainUserMsPerS: figure(100), costUserMs: figure(10_000), durationMs: figure(120_000) }),
        fc.integer({ min: 0, max: 3_600_000 }),
        fc.integer({ min: 0, max: 3_600_000 }),
        (move, usualMs, beenMs) => {
          const lookedAtMs = 100_000 + beenMs;
          const readyAtMs = tagalong.readyAtMs(move, at({ nowMs: lookedAtMs, usualMs }));
          if (readyAtMs === 130_000) atDwell++;
          else atProof++;
          const worth = benefitUserMs(move, at({ nowMs: Math.max(lookedAtMs, readyAtMs), usualMs }));
          expect(worth / (1.5 * move.costUserMs)).toBeGreaterThan(1 - 1e-9);
        },
      ),
      { numRuns: 2000 },
    );
    expect(Math.min(atDwell, atProof), 'both cases occur').toBeGreaterThan(100);
  });
  test('goes by the forecast of the stay where there is one: at once, later, or not at all', () => {
    const outlook = (bin: number) => {
      const curve = new StayCurve();
      curve.hazards.fill(0);
      curve.hazards[bin] = 0.9;
      curve.begin(0);
      return { ...at({ usualMs: 0 }), outlook: curve };
    };
    // All leave within 5 s, or none does within the hour.
    expect(tagalong.readyAtMs(option(), outlook(27))).toBe(130_000);
    const leaving = outlook(0);
    expect(tagalong.readyAtMs(option(), leaving)).toBeGreaterThan(100_000 + 5_000 - 1);
    expect(benefitUserMs(option(), leaving)).toBeLessThan(benefitUserMs(option(), outlook(27)) / 5);
    // A dear move pays in no case: it is considered again in an hour.
    expect(tagalong.readyAtMs(option({ costUserMs: 1e6 }), outlook(27))).toBe(100_000 + 3_600_000);
  });
  test('ignores a gain that would take an hour to pay', () => {
    expect(tagalong.leastGain(3600)).toBe(1.5);
  });
  test('prefers the site with the highest worth after its cost', () => {
    const dear = tagalong.score(option({ gainUserMsPerS: 11, costUserMs: 5_000 }), at());
    expect(tagalong.score(option(), at())).toBeGreaterThan(dear);
  });
});

test('nearest moves at once at any cost, and has no pause', () => {
  const nearest = policyNamed('nearest', tuning);
  expect(nearest.readyAtMs(option({ costUserMs: 1e9 }), at())).toBe(100_000);
  expect(nearest.leastGain(1e9)).toBe(0);
  expect(nearest.hasCooldowns).toBe(false);
  expect(nearest.score(option({ gainUserMsPerS: 2 }), at())).toBeGreaterThan(
    nearest.score(option({ gainUserMsPerS: 1 }), at()),
  );
});

test('the policy never accepts no gain', () => {
  const never = policyNamed('never', tuning);
  expect(never.leastGain(0)).toBe(Number.POSITIVE_INFINITY);
  expect(never.readyAtMs(option(), at())).toBe(Number.POSITIVE_INFINITY);
});

test('the expected stay is the rest of the usual stay, and the usual length again after 1.5 of it', () => {
  expect(expectedDwellMs(at())).toBe(600_000);
  expect(expectedDwellMs(at({ nowMs: 150_000 }))).toBe(550_000);
  expect(expectedDwellMs(at({ nowMs: 700_000 }))).toBe(0);
  expect(expectedDwellMs(at({ nowMs: 999_999 }))).toBe(0);
  expect(expectedDwellMs(at({ nowMs: 1_000_000 }))).toBe(900_000);
});

test('a move longer than the stay is worth nothing', () => {
  expect(benefitUserMs(option({ durationMs: 600_000 }), at())).toBe(0);
});

test('an unknown policy is refused, also with the name of an inherited property', () => {
  for (const name of ['always', 'toString']) {
    expect(() => policyNamed(name, tuning)).toThrow(expect.objectContaining({ code: 'POLICY_UNKNOWN' }));
  }
});
