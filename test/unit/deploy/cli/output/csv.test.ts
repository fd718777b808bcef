import { parse } from 'csv-parse/sync';
import { expect, test } from 'vitest';
import { csvOf } from '#deploy/cli/output/csv.ts';
import { policyNames } from '#deploy/cli/run/run-simulation.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { simulate } from '#simulations/simulate.ts';

test('each run has a row with the figures of its result, under names with units', {
  timeout: 120_000,
}, async () => {
  const options = { config: DEFAULT_CONFIG, policies: ['nearest', 'never'], seeds: [1, 2] };
  const subject = { kind: 'generated', generator: 'random-waypoint,users=10,steps=300,sites=25' } as const;
  const { runs } = (await simulate(subject, options)).comparison;
  const rows = parse(csvOf(runs), { columns: true }) as Record<string, string>[];
  expect(rows).toHaveLength(4);
  expect(runs[0]!.migrations.completed).toBeGreaterThan(0);
  for (const [i, { policy, seed, users, cost, migrations }] of runs.entries()) {
    expect(rows[i]).toMatchObject({
      policy,
      seed: String(seed),
      users: String(users),
      totalUserMs: String(cost.totalUserMs),
      meanExcessRttMs: String(cost.meanExcessRttMs),
      movesCompleted: String(migrations.completed),
      interruptionP95Ms: String(migrations.interruptionMs.p95),
      movedBytes: String(migrations.bytes),
    });
  }
});

test('a comma in the name of a policy splits neither the row nor the list of the command line', () => {
  const names = ['tagalong', 'lyapunov(0.5,2)', 'look-ahead(300)'];
  expect(policyNames('tagalong, lyapunov(0.5,2),look-ahead(300)')).toEqual(names);
  const runs = names.map((policy) => ({
    policy,
    cost: {},
    migrations: { failed: {}, durationMs: {}, pauseMs: {}, interruptionMs: {} },
  }));
  const rows = parse(csvOf(runs as never), { columns: true }) as Record<string, string>[];
  expect(rows.map(({ policy }) => policy)).toEqual(names);
});
