/** The figures of a migration: durations of phases, gaps of clients, and the downtime of the hypervisor. */
import { describe, expect, test } from 'vitest';
import { type FactOf, PHASES } from '#shared/events/index.ts';
import type { Migrations } from '#shared/migration/migrations.ts';
import { done, failed, inPhase, inspected, measured, state } from '../world.ts';

test('the durations of the phases add up to the whole duration', () => {
  const migrations = inPhase('prepare');
  const startedAtMs = [...migrations.live.values()][0]!.migration.startedAtMs!;
  for (const [i, step] of PHASES.entries()) {
    migrations.report({ kind: 'done', id: 'v:1', step, measured: measured(1) }, startedAtMs + (i + 1) ** 2);
  }
  const { figures } = (migrations.drain().events.at(-1)!.fact as FactOf<'migration.completed.v1'>).data;
  expect(figures.phaseMs).toEqual({ prepare: 1, announce: 3, disk: 5, memory: 7, switch: 9, release: 11 });
  expect(figures.durationMs).toBe(36);
});

describe('the gap of a client', () => {
  const gap = (migrations: Migrations, gapMs: number, atMs = 1005, vm = 'v', user = 'ann') =>
    migrations.apply({
      type: 'interruption.reported.v1',
      data: { vm, user, atMs, gapMs, resets: 0, lostBytes: 0 },
    });
  const end = (migrations: Migrations) => {
    for (const step of PHASES) {
      migrations.report({ kind: 'done', id: 'v:1', step, measured: { ...measured(1), interruptionMs: 7 } }, 9);
    }
    const { events } = migrations.drain();
    return (events.at(-1)!.fact as FactOf<'migration.completed.v1'>).data.figures;
  };

  test.each(['switch', 'release'] as const)('that ends in %s is the figure if it is the longest', (phase) => {
    const migrations = inPhase(phase);
    for (const gapMs of [200, 431, 0, 300]) gap(migrations, gapMs);
    expect(end(migrations)).toMatchObject({ clientGapMs: 431, interruptionMs: 431 });
  });

  test('is limited to the time since the order of the move', () => {
    const migrations = inPhase('switch');
    gap(migrations, 600_000);
    expect(end(migrations).clientGapMs).toBe(1005);
  });

  test('does not count if it differs much from the gaps of the others', () => {
    const migrations = inPhase('switch');
    gap(migrations, 420, 1005, 'v', 'bob');
    gap(migrations, 1e6, 2e6, 'v', 'mallory');
    expect(end(migrations).clientGapMs).toBe(420);
    const three = inPhase('switch');
    for (const [user, gapMs] of [
      ['ann', 0.001],
      ['bob', 420],
      ['eve', 430],
    ] as const)
      gap(three, gapMs, 1005, 'v', user);
    expect(end(three).clientGapMs).toBe(420);
  });

  test('counts during an inspection of the switch-over', () => {
    const migrations = inPhase('switch');
    migrations.resume(4);
    gap(migrations, 431);
    inspected(migrations, 'b', undefined, 5);
    expect(end(migrations).clientGapMs).toBe(431);
  });

  test('counts for a failed migration during the undoing of its switch-over', () => {
    const migrations = inPhase('switch');
    failed(migrations, 'switch');
    gap(migrations, 431);
    migrations.report({ kind: 'aborted', id: 'v:1', measured: measured(1) }, 9);
    const { fact } = migrations.drain().events[0]!;
    expect((fact as FactOf<'migration.failed.v1'>).data.figures).toMatchObject({ interruptionMs: 431 });
  });

  test.each(['memory', 'disk'] as const)(
    'does not count in %s, before the order of the switch-over, or for another VM',
    (phase) => {
      const migrations = inPhase(phase);
      gap(migrations, 431);
      for (const step of PHASES.slice(PHASES.indexOf(phase), 4)) done(migrations, 'v:1', step, 20);
      expect(state(migrations)).toBe('switch');
      gap(migrations, 431, 19);
      gap(migrations, 431, 21, 'w');
      const figures = end(migrations);
      expect(figures).not.toHaveProperty('clientGapMs');
      expect(figures.interruptionMs).toBe(7);
    },
  );

  test('changes nothing after the end of a migration, or without one', () => {
    const migrations = inPhase('release');
    end(migrations);
    gap(migrations, 431);
    gap(migrations, 431, 1005, 'w');
    expect(migrations.pending).toBe(false);
  });

  test('counts once', () => {
    const migrations = inPhase('release');
    gap(migrations, 431);
    migrations.drain();
    gap(migrations, 431);
    expect(migrations.pending).toBe(false);
  });
});

test('the figures have the downtime of the hypervisor beside the pause', () => {
  const migrations = inPhase('release');
  const figures = { ...measured(1), pauseMs: 300, interruptionMs: 310, hypervisorDowntimeMs: 6 };
  migrations.report({ kind: 'done', id: 'v:1', step: 'release', measured: figures }, 9);
  const { fact } = migrations.drain().events[0]!;
  expect((fact as FactOf<'migration.completed.v1'>).data.figures).toMatchObject(figures);
});
