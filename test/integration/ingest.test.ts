import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createHttp, type HttpSurface } from '#services/http.ts';
import { registerIngest } from '#services/ingest/http.ts';
import { createIngest, type Ingest, MAX_WAITING_EVENTS } from '#services/ingest/service.ts';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { EVENT_TYPES, type Event, type EventType, envelop } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';

const NOW_MS = Date.UTC(2026, 2, 2, 12);
const KEY = 'a key of sixteen or more';
/** The first digits of HMAC-SHA256(KEY, 'alice'), as openssl computes it. */
const ALICE = 'u9e666bf6061a7809';
const here = { lat: 41.4993, lon: -81.6944 };
const spec = { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e8 };
const fullSpec = { ...spec, diskBytes: 0, downtimeLimitMs: 300, targetRttMs: 10 };

let bus: MemoryBus;
let store: Store;
let clock: VirtualClock;
let seen: Event[];
let logged: string[];
let closers: (() => Promise<void>)[];

beforeEach(async () => {
  bus = memoryBus();
  store = memoryStore();
  clock = virtualClock(NOW_MS);
  seen = [];
  logged = [];
  closers = [() => bus.close()];
  await bus.subscribe({ group: 'test', types: EVENT_TYPES }, async (batch) => {
    seen.push(...batch.map(({ event }) => event));
  });
});

afterEach(async () => {
  for (const close of closers.reverse()) await close();
});

const log = createLog('trace', { write: (line) => void logged.push(line) });

/** One process with ingest. */
async function start(yaml = '', on: { bus: Pick<MemoryBus, keyof MemoryBus> } = { bus }) {
  const config: Config = parseConfig(`http: { port: 0 }\n${yaml}`, 'test');
  const ingest = createIngest({ bus: on.bus, store, clock, config: config.ingest, log });
  const surface: HttpSurface = await createHttp({ config: config.http, log });
  registerIngest(surface, { ingest, clock, config: config.ingest });
  await ingest.start();
  const { url } = await surface.listen();
  closers.push(
    () => surface.close(),
    () => ingest.stop(),
  );
  return { ingest, ask: asker(url) };
}

function asker(url: string) {
  return async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const sent =
      body === undefined
        ? {}
        : { headers: { 'content-type': type }, body: typeof body === 'string' ? body : JSON.stringify(body) };
    const response = await fetch(url + path, { method, ...sent });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
}

/** What was published of some types, in order of the subjects and times. */
async function published(...types: EventType[]): Promise<Event[]> {
  await bus.idle();
  return seen.filter(({ type }) => types.includes(type));
}
const data = (events: Event[]) => events.map((event) => event.data);

async function twoVmsAndAnn(ingest: Ingest) {
  for (const vm of ['v1', 'v2']) {
    await ingest.declareVm(vm, 'east', fullSpec);
    await ingest.attach(vm, 'ann', 1);
  }
}

describe('locations', () => {
  test('are published once for each VM the user is attached to, under an id that a repeat would have', async () => {
    const { ingest, ask } = await start();
    await twoVmsAndAnn(ingest);
    const location = { user: 'ann', ...here, atMs: NOW_MS - 1000, rtts: [{ site: 'east', rttMs: 12 }] };
    expect(await ask('POST', '/v1/locations', location)).toEqual({
      status: 202,
      body: { accepted: 1, events: 2, implausible: {}, unattached: 0 },
    });
    const events = await published('location.reported.v1');
    expect(data(events)).toEqual(expect.arrayContaining(['v1', 'v2'].map((vm) => ({ vm, ...location }))));
    expect(events.map(({ id, source }) => `${source} ${id}`).sort()).toEqual(
      ['v1', 'v2'].map((vm) => `/tagalong/ingest loc:${vm}:ann:${NOW_MS - 1000}`),
    );
  });

  test('may come as one object, an array or NDJSON, in milliseconds, seconds or of now', async () => {
    const { ingest, ask } = await start();
    await twoVmsAndAnn(ingest);
    const seconds = (NOW_MS - 1500) / 1000;
    const sent = [
      { user: 'ann', ...here, atMs: NOW_MS - 2000 },
      { user: 'ann', ...here, t: seconds },
      { user: 'ann', ...here },
    ];
    const lines = `${sent.map((one) => JSON.stringify(one)).join('\n')}\r\n\n`;
    const times = async () =>
      (await published('location.reported.v1'))
        .filter(({ subject }) => subject === 'v1')
        .map((event) => event.data.atMs);

    expect((await ask('POST', '/v1/locations', lines, 'application/x-ndjson')).body).toMatchObject({
      accepted: 3,
      events: 6,
    });
    expect(await times()).toEqual([NOW_MS - 2000, NOW_MS - 1500, NOW_MS]);
    clock.advanceTo(NOW_MS + 60_000);
    expect((await ask('POST', '/v1/locations', [{ user: 'ann', ...here }])).body).toMatchObject({ accepted: 1 });
    expect((await ask('POST', '/v1/locations', { user: 'ann', ...here, t: seconds + 30 })).body).toMatchObject({
      accepted: 1,
    });
    expect(await times()).toEqual([NOW_MS - 2000, NOW_MS - 1500, NOW_MS, NOW_MS + 60_000, NOW_MS + 28_500]);
  });

  test.each<[string, unknown, string]>([
    ['a missing field', { user: 'ann', lat: 1 }, 'lon: is missing'],
    ['a text for a number', { user: 'ann', lat: '1', lon: 2 }, 'lat: must be number'],
    ['an unknown key', { user: 'ann', ...here, speed: 3 }, 'speed: unknown key'],
    ['a user that does not fit on the bus', { user: 'ann lee', ...here }, 'user: must match'],
    ['two times', { user: 'ann', ...here, t: 1, atMs: 1 }, 't: give atMs or t, not both'],
    ['something else', 7, 'value: must be object'],
  ])('%s in one of them refuses all, by its place, and nothing is published', async (_fault, wrong, message) => {
    const { ingest, ask } = await start();
    await twoVmsAndAnn(ingest);
    const right = { user: 'ann', ...here };
    const refused = (where: string) => ({
      status: 400,
      body: { error: { code: 'EVENT_INVALID', message: expect.stringContaining(`${where}: ${message}`) } },
    });
    expect(await ask('POST', '/v1/locations', [right, wrong, right])).toEqual(refused('element 2'));
    const lines = [right, '', wrong, right].map((one) => (one === '' ? '' : JSON.stringify(one))).join('\n');
    expect(await ask('POST', '/v1/locations', lines, 'application/x-ndjson')).toEqual(refused('line 3'));
    expect(await published('location.reported.v1')).toEqual([]);
    expect(ingest.counts).toEqual({ accepted: 0, events: 0, implausible: {}, unattached: 0 });
  });

  test('a line that is not JSON is named', async () => {
    const { ask } = await start();
    const answer = await ask(
      'POST',
      '/v1/locations',
      '{"user":"ann","lat":1,"lon":2}\n{"user"',
      'application/x-ndjson',
    );
    expect(answer).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining('line 2: not JSON') } },
    });
  });

  test('that cannot be are counted by the reason and not published', async () => {
    const { ingest, ask } = await start();
    await twoVmsAndAnn(ingest);
    const sent = [
      { user: 'ann', lat: 91, lon: 0 },
      { user: 'ann', lat: 0, lon: 181 },
      { user: 'ann', lat: 0, lon: 0 },
      { user: 'ann', ...here, atMs: NOW_MS + 60_001 },
      { user: 'ann', ...here, atMs: NOW_MS - 600_001 },
      { user: 'nobody', ...here },
      { user: 'ann', ...here, atMs: NOW_MS + 60_000 },
    ];
    const receipt = {
      accepted: 1,
      events: 2,
      implausible: { 'out-of-range': 2, 'null-island': 1, future: 1, stale: 1 },
      unattached: 1,
    };
    expect(await ask('POST', '/v1/locations', sent)).toEqual({ status: 202, body: receipt });
    expect(ingest.counts).toEqual(receipt);
    await ask('POST', '/v1/locations', sent[0]);
    expect(ingest.counts.implausible['out-of-range']).toBe(3);
    expect(await published('location.reported.v1')).toHaveLength(2);
  });

  test('each is accounted for, whatever comes', async () => {
    const { ingest } = await start();
    await twoVmsAndAnn(ingest);
    const location = fc.record({
      user: fc.constantFrom('ann', 'bob'),
      lat: fc.double({ min: -100, max: 100, noNaN: true }),
      lon: fc.double({ min: -200, max: 200, noNaN: true }),
      atMs: fc.integer({ min: NOW_MS - 700_000, max: NOW_MS + 70_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(location), async (list) => {
        const { accepted, events, implausible, unattached } = await ingest.locations(list);
        const refused = Object.values(implausible).reduce((a, b) => a + b, 0);
        expect(accepted + unattached + refused).toBe(list.length);
        expect(events).toBe(2 * accepted);
      }),
    );
  });

  test('are answered when the bus has them, not before', async () => {
    let letThrough = () => {};
    let held = () => {};
    const isHeld = new Promise<void>((resolve) => {
      held = resolve;
    });
    const slow: MemoryBus = {
      ...bus,
      async publish(events) {
        if (events[0]?.type === 'location.reported.v1') {
          await new Promise<void>((resolve) => {
            letThrough = resolve;
            held();
          });
        }
        await bus.publish(events);
      },
    };
    const { ingest, ask } = await start('', { bus: slow });
    await twoVmsAndAnn(ingest);
    let answered = false;
    const answer = ask('POST', '/v1/locations', { user: 'ann', ...here }).then((got) => {
      answered = true;
      return got;
    });
    await isHeld;
    for (let i = 0; i < 100; i++) await turn();
    expect(answered).toBe(false);
    let stopped = false;
    const stopping = ingest.stop().then(() => {
      stopped = true;
    });
    for (let i = 0; i < 100; i++) await turn();
    expect(stopped).toBe(false);
    letThrough();
    expect((await answer).status).toBe(202);
    await stopping;
    expect(await published('location.reported.v1')).toHaveLength(2);
  });

  test('are turned away with 503 while the bus is too far behind', async () => {
    const { ingest, ask } = await start();
    await twoVmsAndAnn(ingest);
    let release = () => {};
    const blocked = new Promise<void>((resolve) => {
      release = resolve;
    });
    await bus.subscribe({ group: 'slow', types: ['session.detached.v1'] }, () => blocked);
    const flood = Array.from({ length: MAX_WAITING_EVENTS + 1 }, (_, i) =>
      envelop({ type: 'session.detached.v1', data: { vm: 'v9', user: 'bob', atMs: NOW_MS } }, `flood:${i}`, '/test'),
    );
    await bus.publish(flood);
    expect(await ask('POST', '/v1/locations', { user: 'ann', ...here })).toMatchObject({
      status: 503,
      body: { error: { code: 'BUS_OVERLOADED' } },
    });
    expect(await ask('GET', '/readyz/ingest')).toMatchObject({
      status: 503,
      body: { reason: expect.stringContaining('200001 events wait') },
    });
    release();
    expect(await published('location.reported.v1')).toEqual([]);
    expect((await ask('POST', '/v1/locations', { user: 'ann', ...here })).status).toBe(202);
  });
});

describe('users', () => {
  test('appear under pseudonyms on the bus, in the store and nowhere by their ids, nor their positions in the log', async () => {
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

  test('keep their ids where there is no key', async () => {
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
  test('are said once, however often they are asked for', async () => {
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

  test('outlive ingest', async () => {
    const first = await start();
    await twoVmsAndAnn(first.ingest);
    await first.ingest.stop();
    const { ingest } = await start();
    expect(await ingest.locations([{ user: 'ann', ...here, atMs: NOW_MS }])).toMatchObject({ events: 2 });
    await twoVmsAndAnn(ingest);
    expect(await published('vm.declared.v1', 'session.attached.v1')).toHaveLength(4);
  });

  test('a session ends when it is ended, once', async () => {
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

  test('one who comes back within a millisecond is attached again on the bus too', async () => {
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

  test('a retired VM leaves nothing behind', async () => {
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
    ['/v1/vms/-', 'a name that is none', { home: 'east', spec }, 'vm: must match'],
    ['/v1/vms/v1/sessions/ann', 'a weight of nothing', { weight: 0 }, 'weight: must be > 0'],
    ['/v1/vms/v1/sessions/ann%20lee', 'a user that does not fit on the bus', {}, 'user: must match'],
  ])('PUT %s with %s is refused', async (path, _fault, body, message) => {
    const { ingest, ask } = await start();
    await ingest.declareVm('v1', 'east', fullSpec);
    expect(await ask('PUT', path, body)).toMatchObject({
      status: 400,
      body: { error: { code: 'EVENT_INVALID', message: expect.stringContaining(message) } },
    });
    expect(await published(...EVENT_TYPES)).toHaveLength(1);
  });

  test('two processes that write one user at once lose nothing, and the bus has the last word of the store', async () => {
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

  test('a session that begins while a location is looked up is not overlooked afterwards', async () => {
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

test('nothing is taken before the start and after the stop', async () => {
  const { ingest, ask } = await start();
  await ingest.stop();
  expect(await ask('POST', '/v1/locations', { user: 'ann', ...here })).toMatchObject({
    status: 503,
    body: { error: { code: 'SERVICE_STOPPED' } },
  });
  expect(await ask('GET', '/readyz/ingest')).toMatchObject({ status: 503 });
  await ingest.start();
  expect(await ask('GET', '/readyz/ingest')).toMatchObject({ status: 200 });
});
