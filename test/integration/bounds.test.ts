/** Extreme values once stopped whole services for good. Now each is refused, or does no harm. */
import { describe, expect, test } from 'vitest';
import { virtualClock } from '#shared/clock/virtual.ts';
import { MAX_RTTS_KEPT } from '#shared/events/bounds.ts';
import type { VmSpec } from '#shared/events/index.ts';
import { createWorld } from '#simulations/world.ts';
import { configWith, line, SPEC } from '../unit/shared/policy/world.ts';
import { clock, data, fullSpec, here, NOW_MS, ownIngest, published, start } from './ingest-world.ts';

ownIngest();

const spec: VmSpec = fullSpec;

async function attached(yaml = '', ...users: string[]) {
  const world = await start(yaml);
  await world.ingest.declareVm('v1', 'east', spec);
  for (const user of users) await world.ingest.attach('v1', user, 1);
  return world;
}

describe('ingest refuses an absurd number', () => {
  test.each<[string, string, string, object]>([
    [
      'a round trip of 1e308 ms',
      'POST',
      '/v1/locations',
      { user: 'ann', ...here, rtts: [{ site: 'x', rttMs: 1e308 }] },
    ],
    ['a VM of 1e308 bytes', 'PUT', '/v1/vms/v2', { home: 'east', spec: { ...spec, ramBytes: 1e308 } }],
    ['a VM of 5e-324 bytes', 'PUT', '/v1/vms/v2', { home: 'east', spec: { ...spec, ramBytes: 5e-324 } }],
    ['a disk of 1e308 bytes', 'PUT', '/v1/vms/v2', { home: 'east', spec: { ...spec, diskBytes: 1e308 } }],
    ['a weight of 5e-324', 'PUT', '/v1/vms/v1/sessions/ann', { weight: 5e-324 }],
    ['a gap of 1e308 ms', 'POST', '/v1/interruptions', { vm: 'v1', user: 'ann', gapMs: 1e308 }],
  ])('%s', async (_what, method, path, body) => {
    const { ask } = await attached('', 'ann');
    expect(await ask(method, path, body)).toMatchObject({ status: 400, body: { error: { code: 'EVENT_INVALID' } } });
  });

  test.each(['constructor', 'toString', '__proto__'])(
    'MEC 013: ingest refuses the notification type %s',
    async (name) => {
      const { ask } = await attached('', 'ann');
      const answer = await ask('POST', '/v1/mec013', { notificationType: name });
      expect(answer).toMatchObject({ status: 400, body: { error: { code: 'EVENT_INVALID' } } });
    },
  );
});

describe('quotas', () => {
  const quota = { status: 429, body: { error: { code: 'QUOTA_EXCEEDED' } } };

  test('a request with more than 1,000 positions publishes none, as an array or as lines', async () => {
    const { ask } = await attached('', 'ann');
    const many = Array.from({ length: 1001 }, (_, i) => ({ user: 'ann', ...here, atMs: NOW_MS - 2000 + i }));
    expect(await ask('POST', '/v1/locations', many)).toMatchObject(quota);
    const lines = many.map((one) => JSON.stringify(one)).join('\n');
    expect(await ask('POST', '/v1/locations', lines, 'application/x-ndjson')).toMatchObject(quota);
    expect(await published('location.reported.v1')).toEqual([]);
    expect((await ask('POST', '/v1/locations', many.slice(1))).body).toMatchObject({ accepted: 1000, events: 1000 });
  });

  test('a request that would make more than 10,000 events publishes none', async () => {
    const { ingest, ask } = await attached('', 'ann');
    for (let i = 2; i <= 11; i++) {
      await ingest.declareVm(`v${i}`, 'east', spec);
      await ingest.attach(`v${i}`, 'ann', 1);
    }
    const many = Array.from({ length: 1000 }, (_, i) => ({ user: 'ann', ...here, atMs: NOW_MS - 2000 + i }));
    expect(await ask('POST', '/v1/locations', many)).toMatchObject(quota);
    expect(await published('location.reported.v1')).toEqual([]);
  });

  test('quotas limit VMs, VMs of a user and users of a VM; a departure makes room', async () => {
    const { ingest, ask } = await attached('ingest: { quotas: { vms: 2, sessionsPerUser: 1, usersPerVm: 1 } }', 'ann');
    const put = (path: string, body = {}) => ask('PUT', path, body);
    const vm = { home: 'east', spec };
    expect((await put('/v1/vms/v2', vm)).status).toBe(204);
    expect(await put('/v1/vms/v3', vm)).toMatchObject(quota);
    expect(await put('/v1/vms/v2/sessions/ann')).toMatchObject(quota);
    expect(await put('/v1/vms/v1/sessions/bob')).toMatchObject(quota);
    expect((await put('/v1/vms/v1/sessions/ann', { weight: 2 })).status).toBe(204);
    await ingest.detach('v1', 'ann');
    expect((await put('/v1/vms/v1/sessions/bob')).status).toBe(204);
    await ingest.retireVm('v2');
    expect((await put('/v1/vms/v3', vm)).status).toBe(204);
  });

  test('placement keeps round trips to existing sites only, and a bounded number', () => {
    const l = line(40);
    l.vm('v', 's0');
    l.attach('v', 'ann');
    for (let k = 0; k < 150; k++) {
      const rtts = Array.from({ length: 64 }, (_, i) => ({
        site: i < 40 && k > 100 ? `s${i}` : `x${k * 64 + i}`,
        rttMs: 1,
      }));
      l.world.locate({ vm: 'v', user: 'ann', atMs: Math.round(l.clock.now()), lat: 40, lon: -74, rtts });
      l.pass(10);
    }
    const { rtts = {} } = l.world.placement.vms.get('v')!.sessions[0]!;
    expect(Object.keys(rtts)).toHaveLength(MAX_RTTS_KEPT);
    expect(Object.keys(rtts).filter((site) => !/^s\d+$/.test(site))).toEqual([]);
  });
});

describe('a time in the future', () => {
  test('ingest publishes a position of a clock that is ahead once, with the present time', async () => {
    const { ask } = await attached('', 'ann');
    const ahead = { user: 'ann', ...here, atMs: NOW_MS + 45_000 };
    for (let i = 0; i < 2; i++) expect((await ask('POST', '/v1/locations', ahead)).body).toMatchObject({ accepted: 1 });
    expect(data(await published('location.reported.v1'))).toMatchObject([{ atMs: Math.ceil(clock.now()) }]);
  });

  test('a position ahead neither advances nor freezes its VM, and placement accepts the next one', () => {
    const now = virtualClock(NOW_MS);
    const world = createWorld({ config: configWith(), clock: now });
    for (const [site, lat] of [
      ['s0', 40],
      ['s1', 41],
    ] as const)
      world.declareSite({ site, lat, lon: -74, slots: 5, uplinks: [{ provider: 'a', rateBps: 1e8 }] });
    const { placement } = world;
    world.tell({ type: 'vm.declared.v1', data: { vm: 'v', atMs: NOW_MS, home: 's0', spec: SPEC } });
    world.tell({ type: 'session.attached.v1', data: { vm: 'v', user: 'ann', atMs: NOW_MS, weight: 1 } });
    const at = (atMs: number) => placement.location({ vm: 'v', user: 'ann', atMs, lat: 40, lon: -74 }, now.now());
    expect(at(NOW_MS + 58_000)).toBe('looked');
    expect(placement.vms.get('v')).toMatchObject({ nowMs: NOW_MS, state: 'settled' });
    now.advanceTo(NOW_MS + 1000);
    expect(['looked', 'quiet']).toContain(at(NOW_MS + 1000));
  });

  test('placement accepts true heartbeats after one of the year 2312', () => {
    const l = line(2);
    l.site(1, { atMs: Date.UTC(2312, 0), draining: true });
    l.pass(1000);
    l.site(1, { slots: 7 });
    expect(l.world.placement.sites.get('s1')).toMatchObject({ slots: 7, draining: false });
  });
});
