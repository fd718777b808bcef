/** The generated pages match the metrics, and the dashboard and alerts query metrics that exist. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { dashboard, dashboardExpressions } from '#deploy/monitoring/dashboard.ts';
import { type Documented, metricSections, metricsPage } from '#services/process/metrics-page.ts';
import { createSystem } from '#services/process/system.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { PROMETHEUS_OWN, queried } from './monitoring/names.ts';

const root = new URL('../../../', import.meta.url).pathname;
const text = (path: string) => readFileSync(root + path, 'utf8');
const metrics = (await metricSections()).flatMap((section) => section.metrics);

interface Rules {
  groups: { rules: { alert: string; expr: string; labels: object; annotations: { summary: string } }[] }[];
}
const alerts = (parse(text('deploy/monitoring/alerts.yaml')) as Rules).groups.flatMap(({ rules }) => rules);

test('the page of metrics is up to date; else run `npm run generate`', async () => {
  expect(text('services/monitor/METRICS.md')).toBe(await metricsPage());
});

test('the dashboard is up to date; else run `npm run generate`', () => {
  expect(text('deploy/monitoring/grafana/tagalong.json')).toBe(`${JSON.stringify(dashboard(), null, 2)}\n`);
});

test('a process with all services has each metric of the page, and no other', async () => {
  const config = parseConfig('http: { port: 0 }', 'test');
  const bus = memoryBus({ partitions: 1 });
  const system = createSystem({ config, clock: virtualClock(0), bus, store: memoryStore(), log: createLog('silent') });
  const { url } = await system.listen();
  const exposed = await (await fetch(`${url}/metrics`)).text();
  await system.stop();
  const names = [...exposed.matchAll(/^# TYPE (tagalong_\w+) /gm)].map(([, name]) => name);
  // The bus in memory has no connection metrics.
  const ofServers = /^tagalong_bus_(?!lag|connected|events_refused)/;
  const expected = metrics.map(({ name }) => name).filter((name) => !ofServers.test(name));
  expect(names.toSorted()).toEqual(expected.toSorted());
});

test('names follow the conventions: base units, _total for counters, and a sentence of help', () => {
  expect(metrics.length).toBeGreaterThan(25);
  expect(new Set(metrics.map(({ name }) => name)).size).toBe(metrics.length);
  for (const { name, type, help } of metrics) {
    expect(name).toMatch(/^tagalong_[a-z_]+$/);
    expect(name).not.toMatch(/_(ms|milliseconds|minutes|kb|mb|gb|kilobytes|megabytes|percent)(_|$)/);
    expect(name.endsWith('_total'), name).toBe(type === 'counter');
    if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes|ratio)$/);
    expect(help, name).toMatch(/^\S.{10,}\.$/);
  }
});

test('no metric has a label that may hold a user, a position or a VM', () => {
  const known = new Set(metrics.flatMap(({ labels }) => labels));
  for (const label of ['user', 'vm', 'lat', 'lon', 'migration', 'decision'])
    expect(known.has(label), label).toBe(false);
  expect(known.has('site')).toBe(true);
});

/** The metric that a series belongs to. */
function metricOf(series: string): Documented | undefined {
  const found = metrics.find(({ name }) => name === series);
  if (found?.type === 'histogram') return undefined;
  const base = series.replace(/_(bucket|sum|count)$/, '');
  return found ?? metrics.find(({ name, type }) => name === base && type === 'histogram');
}

test.each([
  ...dashboardExpressions().map((expr) => ({ from: 'the dashboard', expr })),
  ...alerts.map(({ alert, expr }) => ({ from: alert, expr })),
])('$from queries existing metrics: $expr', ({ expr }) => {
  const { names, labels } = queried(expr);
  const ours = names.filter((name) => !/^(process|nodejs)_/.test(name) && !PROMETHEUS_OWN.includes(name));
  expect(names.length).toBeGreaterThan(0);
  const found = ours.map((name) => {
    const metric = metricOf(name);
    expect(metric, `${name} is no metric of ours`).toBeDefined();
    return metric!;
  });
  const allowed = new Set(['job', 'instance', 'service', 'le', ...found.flatMap((metric) => metric.labels)]);
  for (const label of labels) expect(allowed.has(label), `${label} is no label of ${names}`).toBe(true);
});

test('the parser finds the metrics and labels of an expression', () => {
  expect(queried('1 - sum(increase(a_bucket{x="y_z",le!="0"}[5m])) / sum by (site) (b) > 0')).toEqual({
    names: ['a_bucket', 'b'],
    labels: ['x', 'le', 'site'],
  });
  expect(queried('(sum(c_d) or vector(0)) != 1').names).toEqual(['c_d']);
  expect(metricOf('tagalong_migration_pause_seconds'), 'a histogram is no series').toBeUndefined();
});

test('each alert has a severity and a summary, a line in the page and a case in the tests of the rules', () => {
  const page = text('deploy/monitoring/README.md');
  const cases = text('deploy/monitoring/alerts.test.yaml');
  expect(alerts.length).toBeGreaterThanOrEqual(10);
  for (const { alert, labels, annotations } of alerts) {
    expect(labels).toMatchObject({ severity: expect.stringMatching(/^(critical|warning)$/) });
    expect(annotations.summary.length).toBeGreaterThan(10);
    expect(page, alert).toContain(`\`${alert}\``);
    expect(cases, alert).toMatch(new RegExp(`alertname: ${alert}\\n +exp_alerts:`));
  }
});
