/** Long benchmarks, from the command to its output. */
import { expect, test } from 'vitest';
import type { BenchReport } from '#deploy/bench/bench.ts';
import { onBrowser } from '../browser/browser.ts';
import { tagalong } from './cli.ts';

test('bench policy compares policies on generated movements without recorded data, and prints its seed', async () => {
  const { code, stdout, stderr } = await tagalong(['bench', 'policy', '--only', 'made', '--seed', '3', '--json', '-']);
  expect(code, stderr).toBe(0);
  const { rows } = JSON.parse(stdout) as BenchReport;
  const bySetUp = Map.groupBy(rows, ({ setUp }) => setUp);
  expect([...bySetUp.keys()]).toEqual(
    ['random-waypoint', 'commuters', 'flash-crowd', 'ferry'].map((name) => `${name}, seed 3`),
  );
  for (const of of bySetUp.values()) {
    const costs = new Map(of.map(({ metric, value }) => [metric, value]));
    expect(Math.min(...costs.values())).toBeGreaterThanOrEqual(1 - 1e-9);
    expect(costs.get('learned-mdp')).toBeLessThan(costs.get('never')!);
  }
}, 120_000);

onBrowser('bench dashboard', () => {
  test('bench dashboard measures drawing, the delay of a location, and the rate of ingest', async () => {
    const { code, stdout, stderr } = await tagalong(['bench', 'dashboard', '--quick', '--json', '-']);
    expect(code, stderr).toBe(0);
    const { rows } = JSON.parse(stdout) as BenchReport;
    const value = (metric: string) => rows.find((row) => row.metric === metric)?.value;
    for (const metric of [
      'drawing a frame, p95',
      'frames drawn',
      'from a location to its pixel, p95',
      'CPU of all services, one page open',
      'locations taken in over HTTP, one a request',
      'a request, p99',
    ]) {
      expect(value(metric), metric).toBeGreaterThan(0);
    }
    expect(value('requests refused')).toBe(0);
  }, 120_000);
});

test('bench simulation measures growing sizes, each in its own process', async () => {
  const { code, stdout, stderr } = await tagalong([
    'bench',
    'simulation',
    '--quick',
    '--data',
    'nowhere',
    '--json',
    '-',
  ]);
  expect(code, stderr).toBe(0);
  const { rows } = JSON.parse(stdout) as BenchReport;
  const value = (metric: string) => rows.find((row) => row.metric.includes(metric))!.value;
  expect(value('10 users × 100 sites × 300 steps of 1 s, seed 1')).toBe(3000);
  expect(value('changes of the nearest site')).toBeGreaterThan(10);
  expect(value('tagalong, one core')).toBeGreaterThan(0);
  expect(value('never, one core')).toBeGreaterThan(0);
  expect(rows.filter(({ unit }) => unit === 'CPU ns/user-step').map(({ metric }) => metric)).toEqual([
    '10 users × 1,000 sites × 10 steps of 10 s',
    '100 users × 1,000 sites × 10 steps of 10 s',
    '1,000 users × 1,000 sites × 10 steps of 10 s',
    '10,000 users × 1,000 sites × 10 steps of 10 s',
    '10 users × 100 sites × 100 steps of 10 s',
    '10 users × 1,000 sites × 100 steps of 10 s',
    '10 users × 10,000 sites × 100 steps of 10 s',
  ]);
  for (const { metric, value } of rows) expect(value, metric).not.toBeNaN();
}, 300_000);
