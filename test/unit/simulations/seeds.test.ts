import { expect, test } from 'vitest';
import { estimate } from '#simulations/confidence.ts';
import type { RunResult } from '#simulations/engine.ts';
import { type SeededRun, statisticsOf } from '#simulations/seeds.ts';

/** A run with this cost and no other figures. */
function run(policy: string, seed: number, totalUserMs: number): SeededRun {
  const none = { count: 0, mean: 0, p50: 0, p95: 0, max: 0 };
  const migrations = { completed: 0, failed: {}, cancelled: 0, bytes: 0, pingPong: 0 };
  const cost = { totalUserMs, servingUserMs: 0, movingUserMs: 0, userHours: 0, meanExcessRttMs: 0 };
  const distributions = { durationMs: none, pauseMs: none, interruptionMs: none };
  return { policy, seed, cost, migrations: { ...migrations, ...distributions } } as unknown as RunResult & {
    seed: number;
  };
}

test('policies are compared seed by seed, so that the differences between seeds cancel out', () => {
  // The seeds differ by thousands, and the policies by about ten.
  const runs = [
    ...[1000, 5000, 9000].map((cost, i) => run('one', i, cost)),
    ...[1009, 5010, 9011].map((cost, i) => run('other', i, cost)),
  ];
  const { policies, differences } = statisticsOf(runs, 3);
  expect(policies.map(({ policy }) => policy)).toEqual(['one', 'other']);
  expect(policies[0]!.figures.totalUserMs).toEqual(estimate([1000, 5000, 9000]));
  expect(differences).toHaveLength(1);
  expect(differences[0]).toMatchObject({ policy: 'other', minus: 'one' });
  expect(differences[0]!.figures.totalUserMs).toEqual(estimate([9, 10, 11]));
  expect(differences[0]!.figures.totalUserMs.halfWidth).toBeLessThan(policies[0]!.figures.totalUserMs.halfWidth / 1000);
});

test('a policy that is given twice counts as two policies', () => {
  const runs = ['a', 'a'].flatMap((policy) => [run(policy, 1, 1), run(policy, 2, 2)]);
  expect(statisticsOf(runs, 2).differences[0]!.figures.totalUserMs).toEqual({ mean: 0, halfWidth: 0 });
});
