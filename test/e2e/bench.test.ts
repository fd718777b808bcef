import { expect, test } from 'vitest';
import type { BenchReport } from '#deploy/bench/bench.ts';
import { tagalong } from './cli.ts';

// A benchmark takes a minute or more. test/unit/deploy/bench tests its output.
test('bench refuses an unknown benchmark by name, also the name of an inherited property', async () => {
  for (const name of ['nothing', 'constructor']) {
    expect(await tagalong(['bench', name])).toEqual({
      code: 2,
      stdout: '',
      stderr: `tagalong: USAGE: there is no benchmark "${name}"; choose one of engine, simulation, bus, migration, dashboard, policy\n`,
    });
  }
});

test('the help lists all benchmarks', async () => {
  const { code, stdout } = await tagalong(['bench', '--help']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/measure: engine\b/);
});

test('bench policy without recorded movements fails with one line that names the missing file', async () => {
  const { code, stdout, stderr } = await tagalong(['bench', 'policy', '--data', 'nowhere']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^tagalong: TRACE_UNREADABLE: nowhere\/wang-mdp\/cells\.csv: is missing; .*--data.*\n$/);
  const unknown = await tagalong(['bench', 'policy', '--only', 'wang,else']);
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('USAGE: --only: there is no part "else"') });
});

test('bench bus measures the memory bus without a server, and refuses an invalid address', async () => {
  const { code, stdout, stderr } = await tagalong(['bench', 'bus', '--quick', '--json', '-']);
  expect(code, stderr).toBe(0);
  const { rows } = JSON.parse(stdout) as BenchReport;
  expect(rows.map(({ metric }) => metric.split(': ')[0])).toEqual(rows.map(() => 'memory'));
  expect(rows.filter(({ aim }) => aim === '>= 0.5')).toHaveLength(1);
  for (const { metric, value } of rows) expect(value, metric).toBeGreaterThan(0);
  const wrong = await tagalong(['bench', 'bus', '--servers', 'redis://127.0.0.1:1']);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('USAGE: --servers: "redis://127.0.0.1:1"') });
}, 60_000);
