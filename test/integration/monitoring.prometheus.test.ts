/** A real Prometheus scrapes the metrics, evaluates the alerts and answers the queries of the dashboard. */
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { dashboardExpressions } from '#deploy/monitoring/dashboard.ts';
import { begin, file, tagalong } from '../e2e/cli.ts';
import { onPrometheus, promtool, type Sampled, startPrometheus } from '../servers/prometheus.ts';

const PATIENTLY = { timeout: 40_000, interval: 500 };
const TOKEN = 'a token of more than sixteen';
const CONFIG = `
http: { port: 0, token: ${TOKEN} }
sites:
  - { site: west, lat: 52, lon: 4, slots: 4, uplinks: [{ provider: a, rateBps: 125000000 }] }
  - { site: east, lat: 53, lon: 5, slots: 4, uplinks: [{ provider: a, rateBps: 125000000 }] }
vms:
  - vm: desk
    home: west
    spec: { ramBytes: 100000000, dirtyRateBps: 1000000, workingSetBytes: 5000000 }
    sessions: [{ user: alice }]
`;

/** Replaces the variable of Grafana. */
const withInterval = (expr: string) => expr.replaceAll('$__rate_interval', '1m');

onPrometheus('Prometheus', () => {
  test('accepts the deployed configuration and alerts', async () => {
    expect(await promtool(['check', 'rules', 'deploy/monitoring/alerts.yaml'])).toMatch(/SUCCESS: 2\d rules found/);
    expect(await promtool(['check', 'config', 'deploy/monitoring/prometheus.yaml'])).toContain('SUCCESS');
  });

  test('raises each alert in its cases, and in no other', async () => {
    expect(await promtool(['test', 'rules', 'deploy/monitoring/alerts.test.yaml'])).toContain('SUCCESS');
    // A changed rule fails the same cases.
    const wrong = readFileSync('deploy/monitoring/alerts.yaml', 'utf8').replace('> 1800', '> 60');
    const rules = await file('alerts.yaml', wrong);
    const tests = readFileSync('deploy/monitoring/alerts.test.yaml', 'utf8').replace('[alerts.yaml]', `[${rules}]`);
    await expect(promtool(['test', 'rules', await file('alerts.test.yaml', tests)])).rejects.toMatchObject({
      stderr: expect.stringContaining('alertname: TagalongMigrationStuck'),
    });
  });

  test('scrapes a process, accepts its metrics, and answers all queries of the dashboard', {
    timeout: 120_000,
  }, async () => {
    const running = begin(['up', '--config', await file('tagalong.yaml', CONFIG)]);
    const url = await running.url();
    const prometheus = await startPrometheus([{ targets: [url.replace('http://', '')], labels: { service: 'all' } }]);
    try {
      const query = (expr: string) => prometheus.ask<{ result: Sampled[] }>('query', { query: expr });
      const value = async (expr: string) => Number((await query(expr)).result[0]?.value[1]);
      await vi.waitFor(async () => expect(await value('up{job="tagalong",service="all"}')).toBe(1), PATIENTLY);

      const { code } = await tagalong(['migrate', 'desk', '--to', 'east', '--url', url], { TAGALONG_TOKEN: TOKEN });
      expect(code).toBe(0);
      const moves = 'tagalong_migration_interruption_seconds_count{outcome="completed"}';
      await vi.waitFor(async () => expect(await value(moves)).toBe(1), PATIENTLY);
      // The counter was 0 before, so that a rate includes the first move.
      expect(await value(`increase(${moves}[5m])`)).toBeGreaterThan(0);
      await vi.waitFor(async () => expect(await value('tagalong_site_vms{site="east"}')).toBe(1), PATIENTLY);
      expect(await value('time() - tagalong_site_last_report_timestamp_seconds{site="west"}')).toBeLessThan(30);

      // promtool reports each metric with a wrong name or without a help text, also those of Node.js.
      const text = await (await fetch(`${url}/metrics`)).text();
      const ours = text.split('\n').filter((line) => /^(# \w+ )?tagalong_/.test(line));
      expect(ours.length).toBeGreaterThan(100);
      expect(await promtool(['check', 'metrics'], text)).toBe('');
      await expect(
        promtool(['check', 'metrics'], '# TYPE a_seconds_total gauge\na_seconds_total 1\n'),
      ).rejects.toThrow();
      const answers = await Promise.all(dashboardExpressions().map((expr) => query(withInterval(expr))));
      expect(answers.filter(({ result }) => result.length > 0).length).toBeGreaterThan(answers.length / 2);
      await expect(
        query(withInterval('sum(rate(tagalong_events_total[$__rate_interval]')),
        'a broken query',
      ).rejects.toThrow();

      const { groups } = await prometheus.ask<{ groups: { rules: { name: string; health: string }[] }[] }>('rules');
      expect(groups.flatMap(({ rules }) => rules).filter(({ health }) => health === 'err')).toEqual([]);
    } finally {
      await prometheus.stop();
    }
    await running.stop();
  });
});
