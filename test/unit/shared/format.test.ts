import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytes, counted, digits, duration, instant, percent, timeOfDay } from '#shared/format.ts';

describe('figures for people', () => {
  test.each([
    [0, '0 ms'],
    [86.6, '87 ms'],
    [999.4, '999 ms'],
    [999.5, '1.0 s'],
    [12_345, '12.3 s'],
    [99_949, '99.9 s'],
    [99_950, '1 min 40 s'],
    [3_599_400, '59 min 59 s'],
    [3_599_500, '1 h 00 min'],
    [18_000_000, '5 h 00 min'],
  ])('%d ms is %s', (ms, text) => expect(duration(ms)).toBe(text));

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [999.6, '1.00 kB'],
    [1_240_000_000, '1.24 GB'],
    [12_400_000, '12.4 MB'],
    [510_000_000_000, '510 GB'],
    [999_999, '1.00 MB'],
  ])('%d bytes are %s', (n, text) => expect(bytes(n)).toBe(text));

  test('bytes are never shown as 1000 of a unit', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 999e15, noNaN: true }), (n) => {
        expect(Number(bytes(n).split(' ')[0])).toBeLessThan(1000);
      }),
    );
  });

  test('figures have at least three significant digits, with either sign', () => {
    expect([0, 1.236, -1.236, 9.996, 12.34, -123.4, 1234.5].map(digits)).toEqual([
      '0.00',
      '1.24',
      '-1.24',
      '10.0',
      '12.3',
      '-123',
      '1235',
    ]);
  });

  test('times are UTC, shares are per cent, and one thing has the singular', () => {
    const atMs = Date.UTC(2026, 2, 2, 11, 0, 41);
    expect(timeOfDay(atMs)).toBe('11:00:41');
    expect(instant(atMs)).toBe('2026-03-02 11:00:41 UTC');
    expect(percent(0.9784)).toBe('97.8 %');
    expect([0, 1, 2].map((n) => counted(n, 'move'))).toEqual(['0 moves', '1 move', '2 moves']);
  });
});
