import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OwnDelay, Silence } from '#services/probe/silence.ts';

/** Simulates a stream that sends message k at k × interval. @param arrival when its echo arrives; undefined: never @returns the gaps */
function gaps(count: number, intervalMs: number, arrival: (sentMs: number) => number | undefined): number[] {
  const silence = new Silence();
  const messages = Array.from({ length: count }, (_, k) => ({ sentMs: k * intervalMs, atMs: arrival(k * intervalMs) }));
  const happenings = messages.flatMap(({ sentMs, atMs }, k) => [
    { atMs: sentMs, k, echo: false },
    ...(atMs === undefined ? [] : [{ atMs, k, echo: true }]),
  ]);
  // The sort is stable: events of one instant stay in the order of the messages.
  happenings.sort((a, b) => a.atMs - b.atMs);
  const waiting = new Map<number, number>();
  const found: number[] = [];
  for (const { atMs, k, echo } of happenings) {
    if (echo) {
      for (const other of waiting.keys()) if (other <= k) waiting.delete(other);
      found.push(silence.echo(atMs, k * intervalMs, waiting.values().next().value, 0));
    } else {
      waiting.set(k, atMs);
      silence.sent(atMs);
    }
  }
  return found;
}

describe('a gap', () => {
  test('does not occur in a steady stream, for any interval and delay', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 500 }), (intervalMs, wayMs) => {
        expect(Math.max(...gaps(50, intervalMs, (sentMs) => sentMs + wayMs))).toBe(0);
      }),
    );
  });

  test('has the length of the outage, to within one interval, and occurs once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 30, max: 1000 }),
        (intervalMs, wayMs, deadMs) => {
          const from = 10 * intervalMs + wayMs;
          // Messages of the outage arrive at its end.
          const arrival = (sentMs: number) =>
            sentMs + wayMs >= from && sentMs + wayMs < from + deadMs ? from + deadMs : sentMs + wayMs;
          const found = gaps(2000 / intervalMs, intervalMs, arrival).filter((gapMs) => gapMs > 0);
          expect(found.length).toBe(1);
          expect(found[0]).toBeLessThanOrEqual(deadMs);
          expect(found[0]).toBeGreaterThan(deadMs - intervalMs);
        },
      ),
    );
  });

  test('also occurs if the messages of the outage are never answered', () => {
    const found = gaps(100, 5, (sentMs) => (sentMs > 100 && sentMs <= 300 ? undefined : sentMs + 1));
    expect(Math.max(...found)).toBe(200);
  });

  test('lasts until an echo arrives', () => {
    const silence = new Silence();
    silence.sent(0);
    silence.echo(1, 0, undefined, 0);
    expect(silence.until(1000), 'no echo is missing').toBe(0);
    silence.sent(5);
    expect(silence.until(505)).toBe(499);
  });

  test('does not include the delay of the probe itself', () => {
    const silence = new Silence();
    silence.sent(0);
    silence.echo(1, 0, undefined, 0);
    silence.sent(5);
    expect(silence.echo(206, 5, undefined, 180)).toBe(20);
  });
});

describe('own delay', () => {
  test('is the time by which the timer is or was overdue at a read, until everything is read', () => {
    const own = new OwnDelay();
    own.expect(10);
    expect(own.at(9)).toBe(0);
    expect(own.at(60), 'read before the timer').toBe(50);
    own.fired(70);
    expect(own.at(71), 'read after the timer').toBe(60);
    own.expect(75);
    own.polled();
    expect(own.at(74), 'nothing was left to read').toBe(0);
    expect(own.longestMs).toBe(60);
  });
});
