import { describe, expect, test } from 'vitest';
import { benefitUserMs, expectedStayMs, policyNamed } from '#shared/policy/policies.ts';

const tuning = { dwellMs: 30_000, margin: 1.5 };
const tagalong = policyNamed('tagalong', tuning);
const option = (more = {}) => ({ gainUserMsPerS: 10, costUserMs: 1_000, durationMs: 20_000, ...more });
const at = (more = {}) => ({ nowMs: 100_000, bestSinceMs: 100_000, usualStayMs: 600_000, ...more });

describe('tagalong', () => {
  test('waits for the dwell time where the usual stay pays for the move', () => {
    expect(tagalong.readyAtMs(option(), at())).toBe(130_000);
  });
  test('waits for a proof where the usual stay does not pay: until as long again would', () => {
    // 20 s for the move itself, 1.5 × 1000 user-ms at 10 a second.
    expect(tagalong.readyAtMs(option(), at({ usualStayMs: 169_999 }))).toBe(100_000 + 20_000 + 150_000);
    expect(tagalong.readyAtMs(option(), at({ usualStayMs: 170_000 }))).toBe(130_000);
  });
  test('is worth the margin at the very instant at which it is ready', () => {
    for (const usualStayMs of [1, 50_000, 170_000, 600_000]) {
      const nowMs = tagalong.readyAtMs(option(), at({ usualStayMs }));
      expect(benefitUserMs(option(), at({ nowMs, usualStayMs }))).toBeGreaterThanOrEqual(1.5 * 1_000);
    }
  });
  test('does not pursue what would take an hour to pay', () => {
    expect(tagalong.leastGain(3600)).toBe(1.5);
  });
  test('prefers what is worth most after its cost', () => {
    const dear = tagalong.score(option({ gainUserMsPerS: 11, costUserMs: 5_000 }), at());
    expect(tagalong.score(option(), at())).toBeGreaterThan(dear);
  });
});

test('nearest goes at once, whatever it costs, and does not pause', () => {
  const nearest = policyNamed('nearest', tuning);
  expect(nearest.readyAtMs(option({ costUserMs: 1e9 }), at())).toBe(100_000);
  expect(nearest.leastGain(1e9)).toBe(0);
  expect(nearest.cools).toBe(false);
  expect(nearest.score(option({ gainUserMsPerS: 2 }), at())).toBeGreaterThan(
    nearest.score(option({ gainUserMsPerS: 1 }), at()),
  );
});

test('never finds no gain large enough', () => {
  const never = policyNamed('never', tuning);
  expect(never.leastGain(0)).toBe(Number.POSITIVE_INFINITY);
  expect(never.readyAtMs(option(), at())).toBe(Number.POSITIVE_INFINITY);
});

test('a stay is expected to last as long as usual, or as long again', () => {
  expect(expectedStayMs(at({ nowMs: 150_000 }))).toBe(600_000);
  expect(expectedStayMs(at({ nowMs: 800_000 }))).toBe(700_000);
});

test('a move that takes longer than the stay is worth nothing', () => {
  expect(benefitUserMs(option({ durationMs: 600_000 }), at())).toBe(0);
});

test('a policy that nobody wrote is refused by name, whatever objects inherit', () => {
  for (const name of ['always', 'toString']) {
    expect(() => policyNamed(name, tuning)).toThrow(expect.objectContaining({ code: 'POLICY_UNKNOWN' }));
  }
});
