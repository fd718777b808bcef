import { describe, expect, test } from 'vitest';
import type { Data } from '#shared/events/index.ts';
import type { Measured } from '#shared/hypervisor/hypervisor.ts';
import { done, inPhase, measured } from './world.ts';

/** The paths of the test world carry 1e8 bytes a second; the VM has one byte. */
const TENFOLD = 1e9;

/** The figures of a move that reports these ones at `atMs`, after it began at 0. */
function ended(given: Partial<Measured>, atMs: number): Data<'migration.completed.v1'>['figures'] {
  const migrations = inPhase('release');
  migrations.report({ kind: 'done', id: 'v:1', step: 'release', measured: { ...measured(1), ...given } }, atMs);
  const { data } = migrations.drain().events[0]!.fact;
  return (data as Data<'migration.completed.v1'>).figures;
}

describe('figures of a site', () => {
  test('that time and paths allow are taken as they are', () => {
    const given = { pauseMs: 90, interruptionMs: 2_000, hypervisorDowntimeMs: 5, bytes: TENFOLD };
    expect(ended({ ...given, bytesByPath: { 'a~b/a': TENFOLD } }, 2_000)).toMatchObject({ ...given, degraded: [] });
  });

  test('that are longer than the move are reduced to the time since its begin, and marked', () => {
    const given = { pauseMs: 1e12, interruptionMs: 1e12, hypervisorDowntimeMs: 1e12 };
    const figures = ended(given, 2_000);
    expect(figures).toMatchObject({ pauseMs: 3_000, interruptionMs: 3_000, hypervisorDowntimeMs: 3_000 });
    expect(figures.degraded).toEqual(['implausible-figures']);
  });

  test('with more bytes than ten times what the paths carry are reduced, and marked', () => {
    const figures = ended({ bytes: 1e18, bytesByPath: { 'a~b/a': 1e18 } }, 2_000);
    expect(figures.bytes).toBeLessThanOrEqual(3 * TENFOLD + 1);
    expect(figures.bytesByPath['a~b/a']).toBe(figures.bytes);
    expect(figures.degraded).toEqual(['implausible-figures']);
  });

  test('with the most words about degradation have room for the mark', () => {
    const degraded = Array.from({ length: 64 }, (_, i) => `w${i}`);
    expect(ended({ pauseMs: 1e12, degraded }, 2_000).degraded).toHaveLength(64);
  });

  test('change only the figures of their own move', () => {
    const migrations = inPhase('release');
    expect(done(migrations, 'v:1', 'release', 2_000)).toEqual(['completed']);
  });
});
