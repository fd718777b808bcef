import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newTrack } from '#shared/geo/plausibility.ts';
import {
  activeUntilMs,
  newReporting,
  PRESENCES,
  type Presence,
  presentUntilMs,
  saysMore,
  updateReporting,
} from '#shared/policy/state/presence.ts';

const TIMEOUT_MS = 900_000;

type Report = readonly [atMs: number, presence?: Presence];

/** The session of a user with these reports. */
function sessionAfter(...reports: readonly Report[]) {
  const session = { ...newReporting(), track: newTrack() };
  for (const [atMs, presence] of reports) {
    updateReporting(session, { atMs, ...(presence && { presence }) }, TIMEOUT_MS);
    session.track.atMs = atMs;
  }
  return session;
}
const every = (ms: number, count: number) => Array.from({ length: count }, (_, i): Report => [i * ms]);

describe('a user counts as present', () => {
  test.each<[string, readonly Report[], number]>([
    ['for three intervals of a steady source', every(10_000, 5), 40_000 + 30_000],
    ['until the session times out, without a known interval', [[5_000]], 5_000 + TIMEOUT_MS],
    ['for ever after an arrival', [[0], [10_000, 'arrived']], Number.POSITIVE_INFINITY],
    ['no longer after a departure', [[0], [10_000, 'left']], 10_000],
    ['by the interval again when positions follow an arrival', [[0], [10_000], [20_000, 'arrived'], [30_000]], 60_000],
    ['not longer than the session of a slow source', every(800_000, 3), 1_600_000 + TIMEOUT_MS],
  ])('%s', (_, reports, untilMs) => {
    expect(presentUntilMs(sessionAfter(...reports), TIMEOUT_MS)).toBe(untilMs);
  });
});

test('an absence and the silence of an event source are no intervals', () => {
  expect(sessionAfter([0], [10_000], [10_000_000]).intervalMs).toBe(10_000);
  expect(sessionAfter([0, 'arrived'], [60_000, 'left'], [120_000, 'arrived']).intervalMs).toBe(-1);
});

test('of several presences at one instant the same one counts in each order', () => {
  for (const first of PRESENCES) {
    for (const second of PRESENCES) {
      const [a, b] = [sessionAfter([0, first]), sessionAfter([0, second])];
      saysMore(a, second);
      saysMore(b, first);
      expect(a.presence).toBe(b.presence);
      expect(saysMore(a, second)).toBe(false);
    }
  }
});

test('the interval is a bounded whole number, and the end of the presence is no NaN, for any reports', () => {
  const report = fc.tuple(fc.integer({ min: 1, max: 1e12 }), fc.constantFrom(undefined, ...PRESENCES));
  fc.assert(
    fc.property(fc.array(report, { minLength: 1, maxLength: 30 }), (reports) => {
      let atMs = 0;
      const list = reports.map(([passedMs, presence]): Report => {
        atMs += passedMs;
        return presence === undefined ? [atMs] : [atMs, presence];
      });
      const session = sessionAfter(...list);
      expect(Number.isSafeInteger(session.intervalMs)).toBe(true);
      expect(session.intervalMs).toBeLessThan(TIMEOUT_MS);
      const untilMs = presentUntilMs(session, TIMEOUT_MS);
      expect(untilMs).toBeGreaterThanOrEqual(atMs);
      expect(untilMs).toBeLessThanOrEqual(activeUntilMs(session.presence, atMs, TIMEOUT_MS));
    }),
  );
});
