import { describe, expect, test } from 'vitest';
import { MAX_RELATED } from '#shared/events/bounds.ts';
import { EVENT_TYPES } from '#shared/events/index.ts';
import {
  clock,
  data,
  fullSpec,
  here,
  logged,
  NOW_MS,
  ownIngest,
  published,
  seen,
  spec,
  start,
  store,
  twoVmsAndAnn,
} from './ingest-world.ts';

ownIngest();

const KEY = 'a key of sixteen or more';
/** The first digits of HMAC-SHA256(KEY, 'alice'), computed with openssl. */
const ALICE = 'u9e666bf6061a7809';

describe('users', () => {
  test('have pseudonyms on the bus and in the store; the log has neither their ids nor their positions', async () => {
    const { ask } = await start(`ingest: { pseudonymKey: ${KEY} }`);
    expect((await ask('PUT', '/v1/vms/v1', { home: 'east', spec })).status).toBe(204);
    expect((await ask('PUT', '/v1/vms/v1/sessions/alice')).status).toBe(204);
    expect((await ask('PUT', '/v1/vms/v1/sessions/J%C3%BCrgen%20A.', { weight: 2 })).status).toBe(204);
    for (const user of ['alice', 'Jürgen A.'])
      expect((await ask('POST', '/v1/locations', { user, ...here })).body.accepted).toBe(1);
    expect((await ask('POST', '/v1/locations', { user: '', ...here })).status).toBe(400);

    expect(data(await published('location.reported.v1', 'session.attached.v1'))).toEqual([
      { vm: 'v1', user: ALICE, atMs: NOW_MS, weight: 1 },
      { vm: 'v1', user: expect.stringMatching(/^u[0-9a-f]{16}$/), atMs: NOW_MS, weight: 2 },
      { vm: 'v1', user: ALICE, atMs: NOW_MS, ...here },
      { vm: 'v1', user: expect.stringMatching(/^u[0-9a-f]{16}$/), atMs: NOW_MS, ...here },
    ]);
    const everything = JSON.stringify([seen, await store.list('')]) + logged.join('');
    for (const id of ['alice', 'rgen']) expect(everything).not.toContain(id);
    expect(logged.length).toBeGreaterThan(0);
    for (const place of ['41.49', '81.69']) expect(logged.join('')).not.toContain(place);
  });

  test('keep their ids without a key', async () => {
    const { ingest } = await start();
    await twoVmsAndAnn(ingest);
    expect((await published('session.attached.v1')).map((event) => event.data)).toContainEqual({
      vm: 'v1',
      user: 'ann',
      atMs: NOW_MS,
      weight: 1,
    });
  });
});

describe('VMs and sessions', () => {
  test('are published once, however often they are requested', async () => {
    const { ask } = await start();
    for (let i = 0; i < 3; i++) {
      expect((await ask('PUT', '/v1/vms/v1', { spec, home: 'east' })).status).toBe(204);
      expect((await ask('PUT', '/v1/vms/v1/sessions/ann', { weight: 3 })).status).toBe(204);
      clock.advanceTo(clock.now() + 1000);
    }
    expect(data(await published('vm.declared.v1', 'session.attached.v1'))).toEqual([
      { vm: 'v1', atMs: NOW_MS, home: 'east', spec: fullSpec },
      { vm: 'v1', user: 'ann', atMs: NOW_MS, weight: 3 },
    ]);
    await ask('PUT', '/v1/vms/v1', { spec: { ...spec, ramBytes: 2e9 }, home: 'east' });
    await ask('PUT', '/v1/vms/v1/sessions/ann', { weight: 1 });
    expect(await published('vm.declared.v1', 'session.attached.v1')).toHaveLength(4);
  });

  test('are refused with an affinity that names unknown sites or contradicts itself, and nothing is published', async () => {
    const { ask } = await start();
    const declare = (affinity: object) => ask('PUT', '/v1/vms/v1', { home: 'east', spec, affinity });
    const refusals = [
      [
        { allowed: ['east', 'eastt'] },
        'SITE_UNKNOWN',
        'affinity.allowed.1: there is no site "eastt"; did you mean east?',
      ],
      [{ preferred: ['nowhere'] }, 'SITE_UNKNOWN', 'affinity.preferred.0: '],
      [{ preferred: ['east'], avoided: ['east'] }, 'EVENT_INVALID', 'affinity.avoided: '],
      [{ allowed: [] }, 'EVENT_INVALID', 'affinity.allowed'],
      [{ allowed: Array.from({ length: 65 }, () => 'east') }, 'EVENT_INVALID', 'affinity.allowed'],
      [{ forbidden: ['east'] }, 'EVENT_INVALID', 'affinity'],
    ] as const;
    for (const [affinity, code, message] of refusals) {
      const { status, body } = await declare(affinity);
      expect([status, body.error.code]).toEqual([400, code]);
      expect(body.error.message).toContain(message);
    }
    expect(await published('vm.declared.v1')).toEqual([]);
  });

  test('are refused where their group has no lead, or none that fits', async () => {
    const { ask } = await start('sites:\n  - { site: west, lat: 0, lon: 0, slots: 1, uplinks: [] }');
    const declare = async (vm: string, affinity: object, home = 'east') => {
      const { status, body } = await ask('PUT', `/v1/vms/${vm}`, { home, spec, affinity });
      return status === 204 ? status : [status, body.error.code];
    };
    const group = { lead: 'shop::web' };
    expect(await declare('shop::db', { group })).toEqual([400, 'EVENT_INVALID']);
    expect(await declare('shop::web', {})).toBe(204);
    expect(await declare('shop::db', { group })).toEqual([400, 'EVENT_INVALID']);
    expect(await declare('shop::web', { group, allowed: ['east'], apart: 'shop::fronts' })).toBe(204);
    expect(await declare('shop::db', { group, allowed: ['west'] }, 'west')).toEqual([400, 'EVENT_INVALID']);
    expect(await declare('shop::db', { group, apart: 'shop::fronts' })).toEqual([400, 'EVENT_INVALID']);
    expect(await declare('shop::db', { group, allowed: ['east', 'west'] })).toBe(204);
  });

  test('are refused where they are kept apart from a VM of their own group', async () => {
    const { ingest, ask } = await start();
    const group = { lead: 'shop::web' };
    const declare = async (vm: string, affinity: object) => {
      const { status, body } = await ask('PUT', `/v1/vms/${vm}`, { home: 'east', spec, affinity });
      return status === 204 ? status : [status, body.error.code];
    };
    expect(await declare('shop::web', { group })).toBe(204);
    expect(await declare('shop::db1', { group, apart: 'shop::dbs' })).toBe(204);
    expect(await declare('shop::db1', { group, apart: 'shop::dbs', allowed: ['east'] })).toBe(204);
    expect(await declare('shop::db2', { group, apart: 'shop::dbs' })).toEqual([400, 'EVENT_INVALID']);
    expect(await declare('shop::db2', { apart: 'shop::dbs' })).toBe(204);
    await ingest.retireVm('shop::db1');
    expect(await declare('shop::db2', { group, apart: 'shop::dbs' })).toBe(204);
  });

  test.each([
    ['set', { apart: 'shop::set' }],
    ['group', { group: { lead: 'shop::v0', apartUserMsPerS: 10 } }],
  ])(
    'are refused where their %s is full, by a restarted ingest, too, until one of them is retired',
    async (_, relation) => {
      const affinity = { preferenceUserMsPerS: 10, ...relation };
      const first = await start();
      for (let i = 0; i < MAX_RELATED; i++) await first.ingest.declareVm(`shop::v${i}`, 'east', fullSpec, { affinity });
      const another = { home: 'east', spec, affinity };
      for (const { ask } of [first, await start()]) {
        const refused = { status: 429, body: { error: { code: 'QUOTA_EXCEEDED' } } };
        expect(await ask('PUT', '/v1/vms/shop::another', another)).toMatchObject(refused);
        const known = { ...another, spec: { ...spec, ramBytes: 2e9 } };
        expect((await ask('PUT', '/v1/vms/shop::v9', known)).status).toBe(204);
      }
      await first.ingest.retireVm('shop::v9');
      expect((await first.ask('PUT', '/v1/vms/shop::another', another)).status).toBe(204);
    },
  );

  test('are refused where another placement could hold a VM to which they are related', async () => {
    const { ask } = await start('sites:\n  - { site: west, lat: 0, lon: 0, slots: 1, uplinks: [] }');
    for (const affinity of [{ group: { lead: 'web' } }, { apart: 'databases' }, { apart: 'shop:db' }]) {
      const { status, body } = await ask('PUT', '/v1/vms/shop::db', { home: 'east', spec, affinity });
      expect([status, body.error.code]).toEqual([400, 'PARTITION_DIFFERS']);
    }
  });

  test('are published with their affinity, and anew when it changes', async () => {
    const { ask } = await start('sites:\n  - { site: west, lat: 0, lon: 0, slots: 1, uplinks: [] }');
    const affinities = [{ allowed: ['east', 'west'] }, { allowed: ['east', 'west'] }, { avoided: ['west'] }, undefined];
    for (const affinity of affinities) {
      expect((await ask('PUT', '/v1/vms/v1', { home: 'east', spec, affinity })).status).toBe(204);
    }
    expect(
      data(await published('vm.declared.v1')).map((declared) => (declared as { affinity?: object }).affinity),
    ).toEqual([
      { allowed: ['east', 'west'], preferenceUserMsPerS: 10 },
      { avoided: ['west'], preferenceUserMsPerS: 10 },
      undefined,
    ]);
  });

  test('survive a restart of ingest', async () => {
    const first = await start();
    await twoVmsAndAnn(first.ingest);
    await first.ingest.stop();
    const { ingest } = await start();
    expect(await ingest.locations([{ user: 'ann', ...here, atMs: NOW_MS }])).toMatchObject({ events: 2 });
    await twoVmsAndAnn(ingest);
    expect(await published('vm.declared.v1', 'session.attached.v1')).toHaveLength(4);
  });

  test('a session ends once', async () => {
    const { ingest, ask } = await start();
    await twoVmsAndAnn(ingest);
    await ingest.locations([{ user: 'ann', ...here, atMs: NOW_MS }]);
    for (let i = 0; i < 2; i++) expect((await ask('DELETE', '/v1/vms/v1/sessions/ann')).status).toBe(204);
    expect(await ingest.locations([{ user: 'ann', ...here, atMs: NOW_MS }])).toMatchObject({ events: 1 });
    expect((await ask('DELETE', '/v1/vms/v2/sessions/ann')).status).toBe(204);
    expect(await ingest.locations([{ user: 'ann', ...here, atMs: NOW_MS }])).toMatchObject({ unattached: 1 });
    expect(data(await published('session.detached.v1'))).toHaveLength(2);
    expect(await store.list('ingest/user/')).toEqual([]);
  });

  test('a user who returns within a millisecond is attached again on the bus too', async () => {
    const { ingest } = await start();
    await ingest.declareVm('v1', 'east', fullSpec);
    for (let i = 0; i < 3; i++) {
      await ingest.attach('v1', 'ann', 1);
      await ingest.detach('v1', 'ann');
    }
    expect(
      (await published('session.attached.v1', 'session.detached.v1')).map(({ type }) => type.slice(8, 16)),
    ).toEqual(Array(3).fill(['attached', 'detached']).flat());
  });

  test('a retired VM leaves no record', async () => {
    const { ingest, ask } = await start();
    await twoVmsAndAnn(ingest);
    expect((await ask('DELETE', '/v1/vms/v1')).status).toBe(204);
    expect(await ask('DELETE', '/v1/vms/v1')).toMatchObject({ status: 404, body: { error: { code: 'VM_UNKNOWN' } } });
    expect(await ask('PUT', '/v1/vms/v1/sessions/bob')).toMatchObject({
      status: 404,
      body: { error: { code: 'VM_UNKNOWN' } },
    });
    expect(data(await published('vm.retired.v1'))).toEqual([{ vm: 'v1', atMs: NOW_MS }]);
    expect(await ingest.locations([{ user: 'ann', ...here, atMs: NOW_MS }])).toMatchObject({ events: 1 });
    expect(JSON.stringify(await store.list(''))).not.toContain('v1');
  });

  test.each<[string, string, unknown, string]>([
    ['/v1/vms/v1', 'no home', { spec }, 'home: is missing'],
    ['/v1/vms/v1', 'an incomplete spec', { home: 'east', spec: { ramBytes: 1 } }, 'spec.dirtyRateBps: is missing'],
    ['/v1/vms/v1', 'an unknown figure', { home: 'east', spec: { ...spec, cpus: 2 } }, 'spec.cpus: unknown key'],
    ['/v1/vms/-', 'an invalid name', { home: 'east', spec }, 'vm: must match'],
    ['/v1/vms/v1/sessions/ann', 'a weight of nothing', { weight: 0 }, 'weight: must be >= 0.000001'],
    ['/v1/vms/v1/sessions/ann%20lee', 'an invalid user', {}, 'user: must match'],
  ])('PUT %s with %s is refused', async (path, _fault, body, message) => {
    const { ingest, ask } = await start();
    await ingest.declareVm('v1', 'east', fullSpec);
    expect(await ask('PUT', path, body)).toMatchObject({
      status: 400,
      body: { error: { code: 'EVENT_INVALID', message: expect.stringContaining(message) } },
    });
    expect(await published(...EVENT_TYPES)).toHaveLength(1);
  });

  test('two processes write one user at once and lose nothing; the last event equals the record', async () => {
    const [one, two] = [await start(), await start()];
    const vms = Array.from({ length: 8 }, (_, i) => `v${i}`);
    for (const vm of vms) await one.ingest.declareVm(vm, 'east', fullSpec);
    await Promise.all(vms.map((vm, i) => (i % 2 ? one : two).ingest.attach(vm, 'ann', 1)));
    expect((await two.ingest.locations([{ user: 'ann', ...here, atMs: NOW_MS }])).events).toBe(8);

    for (let round = 0; round < 20; round++) {
      await Promise.all([one.ingest.attach('v0', 'ann', round + 2), two.ingest.detach('v0', 'ann')]);
      const last = (await published('session.attached.v1', 'session.detached.v1'))
        .filter(({ subject }) => subject === 'v0')
        .at(-1);
      const kept = await store.get<{ sessions: { vm: string }[] }>('ingest/user/ann');
      expect(last?.type === 'session.attached.v1').toBe(kept?.value.sessions.some(({ vm }) => vm === 'v0'));
    }
  });

  test('a session that begins during the lookup of a location counts for the next one', async () => {
    const { ingest } = await start();
    await ingest.declareVm('v1', 'east', fullSpec);
    const get = store.get.bind(store);
    let read = () => {};
    const held = new Promise<void>((resolve) => {
      read = resolve;
    });
    store.get = async <T>(key: string) => {
      const record = await get<T>(key);
      await held;
      return record;
    };
    const early = ingest.locations([{ user: 'ann', ...here, atMs: NOW_MS }]);
    store.get = get;
    await ingest.attach('v1', 'ann', 1);
    read();
    expect(await early).toMatchObject({ unattached: 1 });
    expect(await ingest.locations([{ user: 'ann', ...here, atMs: NOW_MS }])).toMatchObject({ events: 1 });
  });

  test('a session of another process counts within ten seconds', async () => {
    const [one, two] = [await start(), await start()];
    await one.ingest.declareVm('v1', 'east', fullSpec);
    const report = async () => (await two.ingest.locations([{ user: 'ann', ...here, atMs: clock.now() }])).events;
    expect(await report()).toBe(0);
    await one.ingest.attach('v1', 'ann', 1);
    clock.advanceTo(NOW_MS + 10_000);
    expect(await report()).toBe(1);
  });
});
