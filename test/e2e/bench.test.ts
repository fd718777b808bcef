import { expect, test } from 'vitest';
import type { BenchReport } from '#deploy/bench/bench.ts';
import { tagalong } from './cli.ts';

// A benchmark takes a minute and more: what it prints is tested in test/unit/deploy/bench.
test('a benchmark that nobody wrote is refused by name, whatever objects inherit', async () => {
  for (const name of ['nothing', 'constructor']) {
    expect(await tagalong(['bench', name])).toEqual({
      code: 2,
      stdout: '',
      stderr: `tagalong: USAGE: no benchmark "${name}"; there are engine, simulation, bus, migration, dashboard, policy\n`,
    });
  }
});

test('what can be measured is in the help', async () => {
  const { code, stdout } = await tagalong(['bench', '--help']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/measure: engine\b/);
});

test('where recorded movements are missing, policies are not compared, and one line says what would be right', async () => {
  const { code, stdout, stderr } = await tagalong(['bench', 'policy', '--data', 'nowhere']);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(
    /^tagalong: TRACE_UNREADABLE: nowhere\/wang-mdp\/cells\.csv: is missing; .* would be right\n$/,
  );
  const unknown = await tagalong(['bench', 'policy', '--only', 'wang,else']);
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('USAGE: --only: no part "else"') });
});

test('the bus in memory is measured without any server; what is no address of one is refused', async () => {
  const { code, stdout, stderr } = await tagalong(['bench', 'bus', '--quick', '--json', '-']);
  expect(code, stderr).toBe(0);
  const { rows } = JSON.parse(stdout) as BenchReport;
  expect(rows.map(({ metric }) => metric.split(': ')[0])).toEqual(rows.map(() => 'memory'));
  expect(rows.filter(({ aim }) => aim === '>= 0.5')).toHaveLength(1);
  for (const { metric, value } of rows) expect(value, metric).toBeGreaterThan(0);
  const wrong = await tagalong(['bench', 'bus', '--servers', 'redis://127.0.0.1:1']);
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('USAGE: --servers: redis://127.0.0.1:1') });
}, 60_000);
