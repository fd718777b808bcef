import { describe, expect, test } from 'vitest';
import { advanceTrack, checkPosition, checkTrack, newTrack } from '#shared/geo/plausibility.ts';

const LIMITS = { maxSpeedMps: 50, maxFutureMs: 1_000, maxAgeMs: 60_000, reanchorFixes: 3 };
const NOW_MS = 1_000_000;
const at = (s: number, northKm: number) => ({ atMs: s * 1_000, lat: 40 + northKm / 111.195, lon: -74 });

describe('a single position', () => {
  test.each([
    ['is fine', { lat: 40, lon: -74, atMs: NOW_MS }, undefined],
    ['is fine at the very edge of the earth', { lat: -90, lon: 180, atMs: NOW_MS }, undefined],
    ['is not on the earth', { lat: 90.001, lon: 0, atMs: NOW_MS }, 'out-of-range'],
    ['is not a number', { lat: Number.NaN, lon: 0, atMs: NOW_MS }, 'out-of-range'],
    ['is what a receiver without a fix says', { lat: 0, lon: 0, atMs: NOW_MS }, 'null-island'],
    ['is a little ahead', { lat: 40, lon: 0, atMs: NOW_MS + 1_000 }, undefined],
    ['is too far ahead', { lat: 40, lon: 0, atMs: NOW_MS + 1_001 }, 'future'],
    ['is a little old', { lat: 40, lon: 0, atMs: NOW_MS - 60_000 }, undefined],
    ['is too old', { lat: 40, lon: 0, atMs: NOW_MS - 60_001 }, 'stale'],
  ])('%s', (_, fix, expected) => {
    expect(checkPosition(fix, NOW_MS, LIMITS)).toBe(expected);
  });
});

describe('a position on a track', () => {
  /** Checks positions in order; the track advances with those that count. @returns the faults */
  function play(...fixes: ReturnType<typeof at>[]): (string | undefined)[] {
    const track = newTrack();
    return fixes.map((fix) => {
      const fault = checkTrack(track, fix, LIMITS);
      if (fault === undefined) advanceTrack(track, fix);
      return fault;
    });
  }

  test('counts once, in order of time', () => {
    expect(play(at(10, 0), at(10, 0), at(9, 0), at(11, 0))).toEqual([
      undefined,
      'duplicate',
      'out-of-order',
      undefined,
    ]);
  });

  test('counts up to the maximum speed, and not beyond', () => {
    // 50 m/s for 100 s, and 300 m for the error of a receiver.
    expect(play(at(0, 0), at(100, 5.29))).toEqual([undefined, undefined]);
    expect(play(at(0, 0), at(100, 5.31))).toEqual([undefined, 'teleport']);
  });

  test('far from the track is forgotten when the user is near the track again', () => {
    expect(play(at(0, 0), at(1, 90), at(2, 0), at(3, 90), at(4, 90), at(5, 0))).toEqual([
      ...[undefined, 'teleport', undefined, 'teleport', 'teleport', undefined],
    ]);
  });

  test('far from the track counts after two others near it: the track moves there', () => {
    expect(play(at(0, 0), at(1, 90), at(2, 90), at(3, 90), at(4, 90), at(5, 0))).toEqual([
      ...[undefined, 'teleport', 'teleport', undefined, undefined, 'teleport'],
    ]);
  });

  test('far from the track does not count with two others far from it', () => {
    expect(play(at(0, 0), at(1, 90), at(2, 500), at(3, 90), at(4, 500))).toEqual([
      ...[undefined, 'teleport', 'teleport', 'teleport', 'teleport'],
    ]);
  });

  test('far from the track does not count by its repeats', () => {
    expect(play(at(0, 0), at(1, 90), at(1, 90), at(1, 90), at(1, 90))).toEqual([
      ...[undefined, 'teleport', 'teleport', 'teleport', 'teleport'],
    ]);
  });
});
