import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_WAITING_EVENTS } from '#services/ingest/backlog.ts';
import type { MemoryBus } from '#shared/bus/memory.ts';
import { envelop } from '#shared/events/index.ts';
import { bus, clock, data, here, NOW_MS, ownIngest, published, start, twoVmsAndAnn } from './ingest-world.ts';

ownIngest();

describe('locations', () => {
  test('are published once for each VM of the user, with an id that a repeat also gets', async () => {
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

  test('arrive as an object, an array or NDJSON, with milliseconds, with seconds or without a time', async () => {
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

  test('a JSON text is no list of lines', async () => {
    const { ask } = await start();
    for (const path of ['/v1/locations', '/v1/interruptions']) {
      for (const text of ['""', '"\\n"', JSON.stringify(JSON.stringify({ user: 'ann', ...here }))]) {
        expect(await ask('POST', path, text, 'application/json'), text).toMatchObject({
          status: 400,
          body: { error: { code: 'EVENT_INVALID' } },
        });
      }
    }
  });

  test.each<[string, unknown, string]>([
    ['a missing field', { user: 'ann', lat: 1 }, 'lon: is missing'],
    ['a text instead of a number', { user: 'ann', lat: '1', lon: 2 }, 'lat: must be number'],
    ['an unknown key', { user: 'ann', ...here, speed: 3 }, 'speed: unknown key'],
    ['an invalid user', { user: 'ann lee', ...here }, 'user: must match'],
    ['two times', { user: 'ann', ...here, t: 1, atMs: 1 }, 't: give atMs or t, not both'],
    ['something else', 7, 'value: must be object'],
  ])('are all refused for %s in one of them; the error names its index', async (_fault, wrong, message) => {
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

  test('are refused for a line that is not JSON; the error names the line', async () => {
    const { ask } = await start();
    const answer = await ask(
      'POST',
      '/v1/locations',
      '{"user":"ann","lat":1,"lon":2}\n{"user"',
      'application/x-ndjson',
    );
    expect(answer).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining('line 2: is not JSON') } },
    });
  });

  test('that are impossible are counted by reason, and not published', async () => {
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
    const whys = ['out-of-range', 'out-of-range', 'null-island', 'future', 'stale', 'unattached'];
    const notTaken = whys.map((why, index) => ({ index, why }));
    expect(await ask('POST', '/v1/locations', sent)).toEqual({ status: 202, body: { ...receipt, notTaken } });
    expect(ingest.counts).toEqual(receipt);
    await ask('POST', '/v1/locations', sent[0]);
    expect(ingest.counts.implausible['out-of-range']).toBe(3);
    expect(await published('location.reported.v1')).toHaveLength(2);
  });

  test('are each counted once, for any input', async () => {
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

  test('are acknowledged when the bus has them', async () => {
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

  test('are refused with 503 while too many events wait on the bus', async () => {
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

test('ingest refuses locations with 503 while it is stopped', async () => {
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
