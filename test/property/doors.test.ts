/**
 * Whatever a door takes, extremes first: afterwards all services are ready, another VM's move completes, and all of them start
 * again on what was kept.
 */
import fc from 'fast-check';
import Type, { type TSchema } from 'typebox';
import { expect, test } from 'vitest';
import { AreaEntered } from '#services/ingest/apis/camara.ts';
import { AnyCloudEvent } from '#services/ingest/apis/cloudevents.ts';
import { UserLocation, ZonalPresence } from '#services/ingest/apis/mec013.ts';
import { OwntracksLocation } from '#services/ingest/apis/owntracks.ts';
import { interruptionBody, locationBody, SessionBody, VmBody } from '#services/ingest/body.ts';
import { createPacedSystem } from '#services/paced-system.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { pacedClock } from '#shared/clock/paced.ts';
import { parseConfig } from '#shared/config/load.ts';
import { ConfigSchema } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { EVENT_TYPES, type Event, envelop, type Fact, SCHEMAS } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { extremes } from './extremes.ts';
import { SEED } from './seed.ts';

const START_MS = Date.UTC(2026, 2, 2, 12);
const uplinks = [{ provider: 'a', rateBps: 1e9 }];
const spec = { ramBytes: 1e8, dirtyRateBps: 1e6, workingSetBytes: 1e6 };
const config = parseConfig(
  JSON.stringify({
    http: { port: 0, requestsPerMinute: 1_000_000 },
    policy: { dwellMs: 0 },
    // What drawn VMs are doing for years must not make the other wait for its turn.
    limits: { movesPerSite: 1000, movesPerPath: 1000 },
    sites: [
      { site: 'west', lat: 40, lon: -74, slots: 1000, uplinks },
      { site: 'east', lat: 42, lon: -71, slots: 1000, uplinks },
    ],
    vms: [
      { vm: 'victim', home: 'west', spec, sessions: [{ user: 'vic' }] },
      { vm: 'bad', home: 'west', spec, sessions: [{ user: 'mallory' }] },
    ],
  }),
  'doors',
);

async function world(store: Store) {
  const clock = pacedClock(START_MS, Number.POSITIVE_INFINITY);
  const bus = memoryBus();
  const seen: Event[] = [];
  await bus.subscribe({ group: 'test', types: EVENT_TYPES }, async (batch) => {
    seen.push(...batch.map(({ event }) => event));
  });
  const system = createPacedSystem({ config, clock, bus, store, log: createLog('silent') });
  await system.start();
  await system.declare();
  const { url } = await system.listen();
  const pass = (ms: number) => clock.paceTo(clock.now() + ms, () => system.settle());
  const ask = async (method: string, path: string, body?: unknown) => {
    const sent =
      body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const { status } = await fetch(url + path, { method, ...sent });
    await system.settle();
    return status;
  };
  await pass(10_000);
  return { system, bus, seen, pass, ask };
}
type World = Awaited<ReturnType<typeof world>>;

const drawn = (schema: TSchema, most?: number) => extremes(JSON.parse(JSON.stringify(schema)), most);
const body = (method: string, path: string, schema: TSchema, fixed: object = {}) =>
  drawn(schema).map((value) => ({ method, path, body: { ...(value as object), ...fixed } }));

/** Requests that a door's schema accepts; those that concern somebody concern mallory and her VM. */
const requests = fc.oneof(
  body('PUT', '/v1/vms/bad', VmBody, { home: 'west' }),
  body('PUT', '/v1/vms/bad/sessions/mallory', SessionBody),
  body('POST', '/v1/locations', locationBody(false), { user: 'mallory' }),
  body('POST', '/v1/locations', locationBody(false), { user: 'mallory', lat: 42, lon: -71, atMs: undefined }),
  body('POST', '/v1/interruptions', interruptionBody(false), { vm: 'bad', user: 'mallory' }),
  body('POST', '/v1/owntracks', OwntracksLocation, { tid: 'mallory' }),
  drawn(ZonalPresence).map((one) => ({ method: 'POST', path: '/v1/mec013', body: { zonalPresenceNotification: one } })),
  body('POST', '/v1/mec013', UserLocation, { address: 'mallory', notificationType: 'UserLocationEventNotification' }),
  fc.constantFrom('constructor', '__proto__', 'toString').map((notificationType) => ({
    ...{ method: 'POST', path: '/v1/mec013', body: { notificationType } },
  })),
  body('POST', '/v1/camara/geofencing', AreaEntered),
  body('POST', '/v1/cloudevents', AnyCloudEvent, { type: 'location.reported.v1' }),
  body('POST', '/v1/vms/bad/moves', Type.Object({ to: Type.Union([Type.Literal('west'), Type.Literal('east')]) })),
  fc.constantFrom('east', 'west', '__proto__').map((site) => ({
    ...{ method: 'POST', path: `/v1/sites/${site}/drain`, body: { draining: false } },
  })),
);

/** Facts that fit their schema, of mallory's VM or of a site that nobody else speaks for. */
const facts = fc.constantFrom(...EVENT_TYPES).chain((type) =>
  drawn(SCHEMAS[type] as TSchema).map((data) => {
    const about = 'site' in (data as object) ? { site: 'elsewhere' } : { vm: 'bad' };
    return { type, data: { ...(data as object), ...about } } as Fact;
  }),
);

/** The other VM moves on, and everything is ready. */
async function goesOn({ ask, seen, pass }: World, to: 'east' | 'west') {
  expect(await ask('GET', '/readyz')).toBe(200);
  const before = seen.length;
  expect(await ask('POST', '/v1/vms/victim/moves', { to })).toBe(202);
  await pass(120_000);
  const ends = seen.slice(before).filter(({ type, data }) => type === 'migration.completed.v1' && data.vm === 'victim');
  expect(ends).toHaveLength(1);
}

test('HTTP and the location APIs: no request ends anything but itself', async () => {
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(requests, { minLength: 8, maxLength: 8 }), async (list) => {
      const store = memoryStore();
      const first = await world(store);
      for (const { method, path, body } of list) {
        const status = await first.ask(method, path, body);
        expect([path, body, status < 500]).toEqual([path, body, true]);
        if (status < 300) taken++;
        await first.pass(1000);
      }
      await goesOn(first, 'east');
      await first.system.stop();
      const again = await world(store);
      expect(await again.ask('GET', '/readyz')).toBe(200);
      expect(await again.ask('GET', '/v1/vms/victim/explanation')).toBe(200);
      expect(await again.ask('GET', '/v1/vms/bad/explanation')).toBe(200);
      await again.system.stop();
    }),
    { seed: SEED, numRuns: 6 },
  );
  expect(taken).toBeGreaterThan(6);
});

test('the bus: no event that fits its schema ends anything but what it is of', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(facts, { minLength: 12, maxLength: 12 }), async (list) => {
      const store = memoryStore();
      const first = await world(store);
      for (const [i, fact] of list.entries()) {
        await first.bus.publish([envelop(fact, `drawn:${i}`, '/somebody')]);
        await first.system.settle();
      }
      await first.pass(1000);
      await goesOn(first, 'east');
      await first.system.stop();
      const again = await world(store);
      expect(await again.ask('GET', '/readyz')).toBe(200);
      expect(await again.ask('GET', '/v1/vms/victim/explanation')).toBe(200);
      await again.system.stop();
    }),
    { seed: SEED, numRuns: 6 },
  );
});

test('a configuration is taken or refused, with its key', () => {
  fc.assert(
    fc.property(drawn(ConfigSchema, 2), (value) => {
      try {
        parseConfig(JSON.stringify(value), 'drawn');
      } catch (error) {
        expect(error).toBeInstanceOf(TagalongError);
        expect((error as TagalongError).code).toBe('CONFIG_INVALID');
      }
    }),
    { seed: SEED, numRuns: 60 },
  );
});
