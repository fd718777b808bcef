import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterRound, dirtiedBytes, preCopy } from '#shared/model/pre-copy.ts';

const GUEST = {
  ramBytes: 1e9,
  dirtyRateBps: 1e7,
  workingSetBytes: 1e8,
  diskBytes: 0,
  downtimeLimitMs: 300,
  targetRttMs: 20,
};
const LIMITS = { maxRounds: 30, maxPauseMs: 5000, dirtying: 'saturating' } as const;

describe('dirtied memory', () => {
  test('begins at the dirty rate and saturates at the working set', () => {
    expect(dirtiedBytes(GUEST, 1, 'saturating')).toBeCloseTo(1e4, -1);
    // After one time constant, W/r = 10 s, the guest has dirtied 1 - 1/e of its working set.
    expect(dirtiedBytes(GUEST, 10_000, 'saturating')).toBeCloseTo(1e8 * (1 - Math.exp(-1)), 0);
    expect(dirtiedBytes(GUEST, 1e9, 'saturating')).toBeCloseTo(1e8, 0);
  });

  test('is linear up to the RAM with an endless working set', () => {
    const linear = { ...GUEST, workingSetBytes: 1e15 };
    expect(dirtiedBytes(linear, 10_000, 'saturating') / 1e8).toBeCloseTo(1, 6);
    expect(dirtiedBytes(linear, 1e9, 'saturating')).toBe(GUEST.ramBytes);
  });

  test('is linear up to the working set in the capped model', () => {
    expect(dirtiedBytes(GUEST, 5_000, 'capped')).toBe(5e7);
    expect(dirtiedBytes(GUEST, 10_000, 'capped')).toBe(1e8);
    expect(dirtiedBytes(GUEST, 1e9, 'capped')).toBe(1e8);
  });

  test('never shrinks with time and never exceeds working set or RAM', () => {
    const guests = fc.record({
      ramBytes: fc.double({ min: 1, max: 1e12, noNaN: true }),
      dirtyRateBps: fc.double({ min: 0, max: 1e10, noNaN: true }),
      workingSetBytes: fc.double({ min: 0, max: 1e12, noNaN: true }),
    });
    const ms = fc.double({ min: 0, max: 1e7, noNaN: true });
    fc.assert(
      fc.property(guests, ms, ms, fc.constantFrom('saturating', 'capped'), (guest, a, b, dirtying) => {
        const [shorter, longer] = [Math.min(a, b), Math.max(a, b)].map((after) =>
          dirtiedBytes(guest, after, dirtying),
        ) as [number, number];
        expect(shorter).toBeGreaterThanOrEqual(0);
        expect(shorter).toBeLessThanOrEqual(longer);
        expect(longer).toBeLessThanOrEqual(Math.min(guest.ramBytes, guest.workingSetBytes) * (1 + 1e-12));
      }),
    );
  });
});

describe('after a round', () => {
  // 1e6 bytes a second and a limit of 300 ms allow 3e5 bytes during the pause.
  test.each([
    { round: 1, pendingBytes: 3e5, verdict: 'switch' },
    { round: 1, pendingBytes: 3e5 + 1, verdict: 'again' },
    { round: 29, pendingBytes: 1e9, verdict: 'again' },
    { round: 30, pendingBytes: 3e5, verdict: 'switch' },
    { round: 30, pendingBytes: 5e6, verdict: 'force' },
    { round: 30, pendingBytes: 5e6 + 1, verdict: 'give-up' },
  ])('$round with $pendingBytes bytes pending: $verdict', ({ round, pendingBytes, verdict }) => {
    expect(afterRound(GUEST, LIMITS, round, pendingBytes, 1e6)).toBe(verdict);
    // Allowed post-copy replaces giving up, and nothing else.
    const expected = verdict === 'give-up' ? 'post-copy' : verdict;
    expect(afterRound(GUEST, { ...LIMITS, postCopy: true }, round, pendingBytes, 1e6)).toBe(expected);
  });
});

describe('pre-copy', () => {
  test('of an idle guest is one copy of its RAM, with a pause of the latency', () => {
    expect(preCopy({ ...GUEST, dirtyRateBps: 0 }, 1e8, 5, LIMITS)).toEqual({
      copyMs: 10_005,
      stopCopyMs: 5,
      bytes: 1e9,
      rounds: 1,
      verdict: 'switch',
    });
  });

  test('of a guest that never converges ends in post-copy if it is allowed, with a pause of the latency', () => {
    const guest = { ...GUEST, dirtyRateBps: 1e9, workingSetBytes: 1e9 };
    const given = preCopy(guest, 1e8, 5, { ...LIMITS, maxRounds: 3, maxPauseMs: 100 });
    const moved = preCopy(guest, 1e8, 5, { ...LIMITS, maxRounds: 3, maxPauseMs: 100, postCopy: true });
    expect([given.verdict, moved.verdict]).toEqual(['give-up', 'post-copy']);
    expect(moved.stopCopyMs).toBe(5);
    expect(moved.copyMs + moved.stopCopyMs).toBeCloseTo(given.copyMs + given.stopCopyMs, 6);
    expect(moved.bytes).toBe(given.bytes);
  });

  test('that converges pauses at most for the downtime limit and one latency', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.double({ min: 1e6, max: 1e10, noNaN: true }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        (ratio, workingSetBytes, latencyMs) => {
          const guest = { ...GUEST, dirtyRateBps: ratio * 1e8, workingSetBytes };
          const { stopCopyMs, rounds, verdict } = preCopy(guest, 1e8, latencyMs, LIMITS);
          expect(rounds).toBeLessThanOrEqual(LIMITS.maxRounds);
          if (verdict === 'switch') expect(stopCopyMs).toBeLessThanOrEqual(guest.downtimeLimitMs + latencyMs + 1e-6);
          if (verdict === 'force') expect(stopCopyMs).toBeLessThanOrEqual(LIMITS.maxPauseMs + latencyMs + 1e-6);
        },
      ),
    );
  });

  test('is given up if the guest dirties faster than the paths carry', () => {
    const busy = { ...GUEST, dirtyRateBps: 2e8, workingSetBytes: 1e15 };
    expect(preCopy(busy, 1e8, 5, LIMITS).verdict).toBe('give-up');
  });
});
