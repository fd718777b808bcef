import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createMonitor, type Monitor } from '#services/monitor/service.ts';
import { createHttp } from '#services/runtime/http.ts';
import { knownSites } from '#services/sites/known.ts';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { type Event, envelop, type Fact, type FactOf, type Figures } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { writeOrder } from '../placement-order.ts';

const NOW_MS = Date.UTC(2026, 2, 2, 12);
const log = createLog('silent');

let bus: MemoryBus;
let clock: VirtualClock;
let store: Store;
let monitor: Monitor;
let url: string;
let close: () => Promise<void>;
let published = 0;

beforeEach(async () => {
  bus = memoryBus({ partitions: 4 });
  clock = virtualClock(NOW_MS);
  store = memoryStore();
  monitor = createMonitor({ bus, store, clock, log, partitions: 4 });
  // The interface requires a token, except for /metrics.
  const config = { ...DEFAULT_CONFIG.http, port: 0, token: 'a token of sixteen or more' };
  const surface = await createHttp({ config, log });
  monitor.registerHttp(surface);
  await monitor.start();
  ({ url } = await surface.listen());
  close = async () => {
    await surface.close();
    await monitor.stop();
    await bus.close();
  };
});

afterEach(() => close());

const events = (...facts: Fact[]): Event[] => facts.map((fact) => envelop(fact, `e${published++}`, '/test'));

/** Publishes facts. Decisions are in placement's record when they are published. */
async function happens(...facts: Fact[]): Promise<void> {
  for (const fact of facts) {
    if (fact.type === 'placement.decided.v1') await writeOrder(store, fact.data, 4);
    await bus.publish(events(fact));
    await bus.idle();
  }
}

/** Scrapes /metrics. @returns the text, the value of a series, and the type of a metric */
async function scrape(): Promise<{
  value(series: string): number | undefined;
  type(name: string): string | undefined;
  text: string;
}> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  const text = await response.text();
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of text.split('\n')) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type) types.set(type[1]!, type[2]!);
    const sample = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line);
    if (sample) samples.set(sample[1]!, Number(sample[2]));
  }
  return { value: (series) => samples.get(series), type: (name) => types.get(name), text };
}

const migration = { migration: 'v1:1', vm: 'v1', from: 'east', to: 'west', atMs: NOW_MS };
const figures: Figures = {
  durationMs: 12_000,
  pauseMs: 80,
  interruptionMs: 150,
  bytes: 1e9,
  bytesByPath: { 'east~west/a': 1e9 },
  rounds: 3,
  subflows: 1,
  phaseMs: { prepare: 1500, memory: 9000 },
  degraded: ['single-path', 'forced-stop'],
};
const prediction = { durationMs: 10_000, interruptionMs: 100, bytes: 9e8, costUserMs: 1, benefitUserMs: 2 };

function decided(change: Partial<FactOf<'placement.decided.v1'>['data']> = {}): Fact {
  const explanation = {
    state: 'drifting',
    policy: 'tagalong',
    reason: 'worth-it',
    sessions: 1,
    homeServingUserMsPerS: 3,
    expectedStayMs: 1,
    oldestFixAgeMs: 1,
    candidates: [],
  };
  return {
    type: 'placement.decided.v1',
    data: {
      decision: `${change.vm ?? 'v1'}:${change.seq ?? 1}`,
      vm: 'v1',
      seq: 1,
      atMs: NOW_MS,
      verdict: 'move',
      from: 'east',
      to: 'west',
      reason: 'worth-it',
      source: 'policy',
      prediction,
      explanation,
      ...change,
    },
  };
}
const accepted: Fact = { type: 'migration.accepted.v1', data: migration };
const switched: Fact = { type: 'migration.switched.v1', data: { ...migration, pauseMs: 80 } };
const completed: Fact = { type: 'migration.completed.v1', data: { ...migration, figures } };

describe('a migration', () => {
  test('is in progress until it ends', async () => {
    const inProgress = async () => (await scrape()).value('tagalong_migrations_in_progress');
    expect(await inProgress()).toBe(0);
    await happens(decided(), accepted);
    expect(await inProgress()).toBe(1);
    await happens(
      decided({ decision: 'v2:1', vm: 'v2' }),
      { ...accepted, data: { ...migration, migration: 'v2:1', vm: 'v2' } },
      switched,
    );
    expect(await inProgress()).toBe(2);
    await happens(completed);
    expect(await inProgress()).toBe(1);
  });

  test('that completes is measured in seconds and bytes', async () => {
    await happens(decided(), accepted, switched, completed);
    const { value } = await scrape();
    expect(value('tagalong_migrations_total{outcome="completed",reason="none"}')).toBe(1);
    expect(value('tagalong_migration_pause_seconds_sum{outcome="completed"}')).toBe(0.08);
    expect(value('tagalong_migration_pause_seconds_bucket{le="0.05",outcome="completed"}')).toBe(0);
    expect(value('tagalong_migration_pause_seconds_bucket{le="0.1",outcome="completed"}')).toBe(1);
    expect(value('tagalong_migration_interruption_seconds_sum{outcome="completed"}')).toBe(0.15);
    expect(value('tagalong_migration_duration_seconds_sum{outcome="completed"}')).toBe(12);
    expect(value('tagalong_migration_phase_duration_seconds_sum{phase="memory"}')).toBe(9);
    expect(value('tagalong_migration_phase_duration_seconds_count{phase="disk"}')).toBeUndefined();
    expect(value('tagalong_migration_bytes_total')).toBe(1e9);
    expect(value('tagalong_migration_degraded_total{kind="single-path"}')).toBe(1);
    expect(value('tagalong_migration_degraded_total{kind="forced-stop"}')).toBe(1);
  });

  test('that fails or is cancelled is counted with its reason, and without a pause', async () => {
    const none = { ...figures, pauseMs: 0, interruptionMs: 0, bytes: 5e8, degraded: [] };
    await happens(
      decided(),
      decided({ decision: 'v2:1', vm: 'v2' }),
      {
        type: 'migration.failed.v1',
        data: {
          ...migration,
          phase: 'memory',
          code: 'NOT_CONVERGING',
          reason: 'dirties faster',
          runsAt: 'east',
          figures: none,
        },
      },
      {
        type: 'migration.cancelled.v1',
        data: { ...migration, migration: 'v2:1', vm: 'v2', phase: 'queue', by: 'operator', figures: none },
      },
    );
    const { value } = await scrape();
    expect(value('tagalong_migrations_total{outcome="failed",reason="NOT_CONVERGING"}')).toBe(1);
    expect(value('tagalong_migrations_total{outcome="cancelled",reason="operator"}')).toBe(1);
    expect(value('tagalong_migration_bytes_total')).toBe(1e9);
    expect(value('tagalong_migration_duration_seconds_count{outcome="failed"}')).toBe(1);
    for (const outcome of ['failed', 'cancelled']) {
      expect(value(`tagalong_migration_pause_seconds_count{outcome="${outcome}"}`)).toBeUndefined();
    }
  });

  test('is compared with its prediction once', async () => {
    await happens(decided(), accepted, completed);
    // The end arrives again under another id, after the move has ended.
    await happens(completed);
    const { value } = await scrape();
    expect(value('tagalong_migration_prediction_error_ratio_count{measure="duration"}')).toBe(1);
    expect(value('tagalong_migration_prediction_error_ratio_sum{measure="duration"}')).toBe(1.2);
    expect(value('tagalong_migration_prediction_error_ratio_sum{measure="interruption"}')).toBe(1.5);
  });
});

test('interruptions that clients and the hypervisor report are measured', async () => {
  const gap = (gapMs: number, resets: number): Fact => ({
    type: 'interruption.reported.v1',
    data: { vm: 'v1', user: 'somebody', atMs: NOW_MS, gapMs, resets, lostBytes: 0 },
  });
  await happens(gap(431, 0), gap(60, 1), gap(0, 2));
  const none = await scrape();
  expect(none.value('tagalong_client_gap_seconds_count')).toBe(2);
  expect(none.value('tagalong_client_gap_seconds_sum')).toBeCloseTo(0.491);
  expect(none.value('tagalong_client_resets_total')).toBe(3);
  expect(none.text, 'no users in metrics').not.toContain('somebody');
  await happens(decided(), completed);
  const downtime = 'tagalong_migration_hypervisor_downtime_seconds';
  expect((await scrape()).value(`${downtime}_count{outcome="completed"}`), 'not reported').toBeUndefined();
  await happens(decided({ decision: 'v1:2', seq: 2 }), {
    ...completed,
    data: { ...migration, migration: 'v1:2', figures: { ...figures, hypervisorDowntimeMs: 6 } },
  });
  expect((await scrape()).value(`${downtime}_sum{outcome="completed"}`)).toBe(0.006);
});

test('decisions are counted by verdict, reason and source', async () => {
  await happens(
    decided(),
    decided({ seq: 2, verdict: 'stay', reason: 'cooling' }),
    decided({ seq: 3, source: 'operator' }),
  );
  const { value } = await scrape();
  expect(value('tagalong_decisions_total{verdict="move",reason="worth-it",source="policy"}')).toBe(1);
  expect(value('tagalong_decisions_total{verdict="stay",reason="cooling",source="policy"}')).toBe(1);
  expect(value('tagalong_decisions_total{verdict="move",reason="worth-it",source="operator"}')).toBe(1);
});

test('at most 50 reasons become series, and further ones are counted as "other"', async () => {
  await happens(...Array.from({ length: 500 }, (_, seq) => decided({ seq, reason: `gain ${seq}` })));
  const { value, text } = await scrape();
  expect(text.split('\n').filter((line) => line.startsWith('tagalong_decisions_total{')).length).toBe(51);
  expect(value('tagalong_decisions_total{verdict="move",reason="other",source="policy"}')).toBe(450);
});

test('dead letters are counted by their code', async () => {
  await happens({
    type: 'event.rejected.v1',
    data: { vm: 'v1', atMs: NOW_MS, code: 'EVENT_INVALID', reason: 'x', original: {} },
  });
  expect((await scrape()).value('tagalong_events_rejected_total{code="EVENT_INVALID"}')).toBe(1);
});

describe('a site', () => {
  const report = (vms: string[], draining: boolean, atMs = NOW_MS): Fact => ({
    type: 'site.reported.v1',
    data: { site: 'east', atMs, lat: 1, lon: 2, slots: 5, vms, draining, uplinks: [] },
  });

  test('has the figures of its latest heartbeat', async () => {
    await happens(report(['v1', 'v2', 'v3'], false, NOW_MS - 5000));
    await happens(report(['v1'], true));
    const { value } = await scrape();
    expect(value('tagalong_site_vms{site="east"}')).toBe(1);
    expect(value('tagalong_site_slots{site="east"}')).toBe(5);
    expect(value('tagalong_site_draining{site="east"}')).toBe(1);
    expect(value('tagalong_site_last_report_timestamp_seconds{site="east"}')).toBe(NOW_MS / 1000);
  });

  test('that is removed has no series left', async () => {
    await happens(report(['v1'], false, NOW_MS - 5000), {
      type: 'site.removed.v1',
      data: { site: 'east', atMs: NOW_MS },
    });
    const { text } = await scrape();
    expect(text).not.toContain('site="east"');
  });

  test('that has never reported has the start of the monitor as its last report', async () => {
    const sites = knownSites(memoryStore(), [{ site: 'north' }]);
    const expecting = createMonitor({ bus, store, clock, log, partitions: 4, sites });
    await expecting.start();
    expect(await expecting.metrics()).toContain(
      `\ntagalong_site_last_report_timestamp_seconds{site="north"} ${NOW_MS / 1000}\n`,
    );
    await expecting.stop();
  });
});

test('VMs that go back and forth are counted, and not named', async () => {
  const moved = (n: number, from: string, to: string): Fact[] => [
    decided({ decision: `v1:${n}`, seq: n, from, to }),
    { type: 'migration.completed.v1', data: { ...migration, migration: `v1:${n}`, from, to, figures } },
  ];
  await happens(...moved(1, 'east', 'west'), ...moved(2, 'west', 'east'));
  expect((await scrape()).value('tagalong_vms_flapping')).toBe(0);
  await happens(...moved(3, 'east', 'west'));
  const { value, text } = await scrape();
  expect(value('tagalong_vms_flapping')).toBe(1);
  expect(value('tagalong_migration_returns_total')).toBe(2);
  expect(text).not.toMatch(/"v1/);
  clock.advanceTo(NOW_MS + 3_600_000);
  expect((await scrape()).value('tagalong_vms_flapping')).toBe(0);
});

test('counters of failures are 0 from the start', async () => {
  const { value } = await scrape();
  expect(value('tagalong_migration_degraded_total{kind="plain-tcp"}')).toBe(0);
  expect(value('tagalong_migration_duration_seconds_count{outcome="failed"}')).toBe(0);
  expect(value('tagalong_events_total{type="event.rejected.v1"}')).toBe(0);
});

test('requests are counted by route, not by path', async () => {
  await fetch(`${url}/readyz/monitor`);
  await fetch(`${url}/v1/vms/vm-of-ann`, { method: 'PATCH' });
  const { value, text } = await scrape();
  expect(value('tagalong_http_requests_total{method="GET",route="/readyz/:service",status="200"}')).toBe(1);
  expect(value('tagalong_http_requests_total{method="other",route="none",status="404"}')).toBe(1);
  expect(value('tagalong_http_request_duration_seconds_count{route="/readyz/:service"}')).toBe(1);
  expect(text).not.toContain('vm-of-ann');
});

describe('events', () => {
  test('are counted by type with their lag, except locations', async () => {
    await happens(
      decided(),
      accepted,
      { type: 'vm.retired.v1', data: { vm: 'v9', atMs: NOW_MS - 250 } },
      { type: 'vm.retired.v1', data: { vm: 'v8', atMs: NOW_MS + 1000 } },
      { type: 'location.reported.v1', data: { vm: 'v1', user: 'ann', atMs: NOW_MS, lat: 1, lon: 2 } },
    );
    const { value, text } = await scrape();
    expect(value('tagalong_events_total{type="migration.accepted.v1"}')).toBe(1);
    expect(value('tagalong_events_total{type="vm.retired.v1"}')).toBe(2);
    expect(text).not.toContain('location.reported');
    expect(value('tagalong_event_lag_seconds_count')).toBe(4);
    expect(value('tagalong_event_lag_seconds_sum')).toBe(0.25);
  });

  test('that are delivered twice count once', async () => {
    // A bus may deliver an event again. This one delivers each batch twice.
    const twice: MemoryBus = {
      ...bus,
      subscribe: (options, handler) =>
        bus.subscribe(options, async (batch) => {
          await handler(batch);
          await handler(batch.map((delivery) => ({ ...delivery, attempt: 2 })));
        }),
    };
    const other = createMonitor({
      bus: { ...twice, subscribe: (options, handler) => twice.subscribe({ ...options, group: 'other' }, handler) },
      ...{ store, clock, log, partitions: 4 },
    });
    await other.start();
    await happens(decided(), accepted, completed);
    expect(await other.metrics()).toContain('tagalong_migrations_total{outcome="completed",reason="none"} 1\n');
    expect(await other.metrics()).toContain('tagalong_migrations_in_progress 0\n');
    expect(await other.metrics()).toContain('tagalong_migration_bytes_total 1000000000\n');
  });
});

test('the backlog of each group is measured by partition, at the scrape', async () => {
  let release = () => {};
  const blocked = new Promise<void>((resolve) => {
    release = resolve;
  });
  await bus.subscribe({ group: 'slow', types: ['vm.retired.v1'] }, () => blocked);
  await bus.publish(
    events(...Array.from({ length: 7 }, (): Fact => ({ type: 'vm.retired.v1', data: { vm: 'v1', atMs: NOW_MS } }))),
  );
  const backlog = async () => {
    const { value } = await scrape();
    return [0, 1, 2, 3].map((partition) => value(`tagalong_bus_lag_events{group="slow",partition="${partition}"}`));
  };
  expect((await backlog()).sort()).toEqual([0, 0, 0, 7]);
  release();
  await bus.idle();
  expect(await backlog()).toEqual([0, 0, 0, 0]);
});

test('figures of other services are read at each scrape', async () => {
  let users = 3;
  monitor.gauge('tagalong_users_online', 'Users.', ['site'], () => [{ labels: { site: 'east' }, value: users }]);
  monitor.counter('tagalong_locations_total', 'Locations.', [], () => [{ labels: {}, value: 10 * users }]);
  expect((await scrape()).value('tagalong_users_online{site="east"}')).toBe(3);
  users = 5;
  const { value, type } = await scrape();
  expect([value('tagalong_users_online{site="east"}'), type('tagalong_users_online')]).toEqual([5, 'gauge']);
  expect([value('tagalong_locations_total'), type('tagalong_locations_total')]).toEqual([50, 'counter']);
});

test('every metric has the prefix tagalong_, ends in its unit and has a help text', async () => {
  const { text } = await scrape();
  const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name: name!, type: type! }));
  expect(names.length).toBeGreaterThanOrEqual(15);
  for (const { name, type } of names) {
    expect(name).toMatch(/^tagalong_[a-z_]+$/);
    expect(text).toMatch(new RegExp(`^# HELP ${name} \\S.{10,}\\.$`, 'm'));
    if (type === 'counter') expect(name).toMatch(/_total$/);
    if (type === 'histogram') expect(name).toMatch(/_(seconds|ratio)$/);
  }
});

test('the monitor is ready while it is subscribed', async () => {
  expect((await fetch(`${url}/readyz/monitor`)).status).toBe(200);
  await monitor.stop();
  expect((await fetch(`${url}/readyz/monitor`)).status).toBe(503);
});
