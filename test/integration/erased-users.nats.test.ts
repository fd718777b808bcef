/**
 * One person is exported, and then erased everywhere: on a real NATS server with a bus, a store and an MQTT gateway. The test then reads
 * every message of every stream, and the files of the server.
 */
import { globSync, readFileSync } from 'node:fs';
import { connectAsync } from 'mqtt';
import { connect, headers as natsHeaders } from 'nats';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { freePorts } from '#deploy/local/loopback.ts';
import { createNames } from '#services/ingest/names.ts';
import { createSystem, type System } from '#services/process/system.ts';
import type { Erasure, Export } from '#services/users/service.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { envelop } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import { PATIENTLY } from '../patience.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';

const ADMIN = 'the token of the admin';
const KEY = 'the key of the pseudonyms';
const FORMER = 'the former key of the pseudonyms';

onNats('a person', () => {
  let server: NatsTestServer;
  /** The server of the phones: they must not have the account of the services. */
  let phones: NatsTestServer;
  let system: System;
  let url: string;
  let mqttPort: number;
  let names: Record<'alice' | 'aliceBefore' | 'bob', string>;

  beforeAll(async () => {
    [mqttPort] = (await freePorts(1)) as [number];
    [server, phones] = await Promise.all([startNats(), startNats(`mqtt { listen: "127.0.0.1:${mqttPort}" }`)]);
    const spec = { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e6 };
    const config = parseConfig(
      JSON.stringify({
        http: { port: 0, token: ADMIN },
        bus: { url: server.url, partitions: 2 },
        store: { url: server.url },
        ingest: { pseudonymKey: KEY, formerPseudonymKeys: [FORMER], mqtt: { url: phones.url } },
        heartbeatMs: 500,
        sites: ['east', 'west'].map((site, i) => ({
          ...{ site, lat: 42, lon: -71 - i, slots: 4, uplinks: [{ provider: 'isp', rateBps: 1e8 }] },
        })),
        vms: ['desk', 'lab', 'past'].map((vm) => ({ vm, home: 'east', spec })),
      }),
      'test',
    );
    const { pseudonymOf, former } = createNames(config.ingest);
    names = { alice: pseudonymOf('alice'), aliceBefore: former.ofUser('alice')[0]!, bob: pseudonymOf('bob') };
    const log = createLog('silent');
    const [bus, store] = [await openBus(config, log), await openStore(config, log)];
    system = createSystem({ config, clock: realClock(), bus, store, log });
    ({ url } = await system.listen());
    await system.start();
    await system.declare();
  }, 120_000);
  afterAll(async () => {
    await system?.stop();
    await Promise.all([server?.stop(), phones?.stop()]);
  });

  const ask = async (method: string, path: string, body?: object) => {
    const headers = { authorization: `Bearer ${ADMIN}`, ...(body && { 'content-type': 'application/json' }) };
    const response = await fetch(url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
  const report = async (user: string, lon: number) => {
    const { body } = await ask('POST', '/v1/locations', { user, lat: 42.01, lon, atMs: Date.now() });
    return body as { accepted: number };
  };
  const exported = async (user: string) => (await ask('GET', `/v1/users/${user}/export`)).body as Export;

  /** Every message of every stream: subject, headers and data. */
  async function everything({ url: on }: NatsTestServer): Promise<string[]> {
    const nc = await connect({ servers: on });
    const jsm = await nc.jetstreamManager();
    const texts: string[] = [];
    for await (const { config, state } of jsm.streams.list()) {
      for (let seq = state.first_seq; seq <= state.last_seq && state.messages > 0; seq++) {
        const message = await jsm.streams.getMessage(config.name, { seq }).catch(() => undefined);
        if (message === undefined) continue;
        const header = [...(message.header ?? natsHeaders())].flat(2).join(' ');
        texts.push(`${config.name} ${message.subject} ${header} ${message.string()}`);
      }
    }
    await nc.close();
    return texts;
  }
  const streamsWith = async (text: string) =>
    [
      ...new Set(
        (await Promise.all([server, phones].map(everything)))
          .flat()
          .flatMap((line) => (line.includes(text) ? line.split(' ')[0]! : [])),
      ),
    ].sort();
  /** The files of the server that contain a text, as the names of their streams. */
  const filesWith = (text: string) =>
    globSync(`${server.dataFolder}/**/*`, { withFileTypes: true })
      .filter((entry) => entry.isFile() && readFileSync(`${entry.parentPath}/${entry.name}`).includes(text))
      .map(({ parentPath }) => /streams\/([^/]+)/.exec(parentPath)?.[1] ?? parentPath);

  test('is exported whole, and erased everywhere; other people are not touched', { timeout: 180_000 }, async () => {
    // Sessions, also one that has ended, and one under the former key.
    for (const vm of ['desk', 'lab', 'past']) await ask('PUT', `/v1/vms/${vm}/sessions/alice`);
    await ask('PUT', '/v1/vms/desk/sessions/bob');
    for (let i = 0; i < 5; i++) {
      expect(await report('alice', -71 - i / 1000)).toMatchObject({ accepted: 1 });
      expect(await report('bob', -71 + i / 1000)).toMatchObject({ accepted: 1 });
    }
    await ask('DELETE', '/v1/vms/past/sessions/alice');
    await ask('POST', '/v1/interruptions', { vm: 'desk', user: 'alice', gapMs: 5 });
    const { status } = await ask('POST', '/v1/tokens', { role: 'device', user: 'alice', expiresInMs: 60_000 });
    expect(status).toBe(201);
    const original = envelop(
      { type: 'session.attached.v1', data: { vm: 'desk', user: names.aliceBefore, atMs: 1, weight: 1 } },
      'refused-1',
      '/tagalong/test',
    );
    const letter = { vm: 'desk', atMs: Date.now(), code: 'EVENT_INVALID', reason: 'a test', original };
    const id = `rejected:placement:loc:desk:${names.alice}:1`;
    await system.bus.publish([envelop({ type: 'event.rejected.v1', data: letter }, id, '/tagalong/bus')]);
    // OwnTracks asks the gateway to retain the last position.
    const phone = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`);
    const position = JSON.stringify({
      _type: 'location',
      lat: 42.015,
      lon: -71.001,
      tst: Math.floor(Date.now() / 1000),
    });
    await phone.publishAsync('owntracks/alice/phone', position, { qos: 1, retain: true });
    await phone.publishAsync('owntracks/bob/phone', position, { qos: 1, retain: true });
    await phone.endAsync();

    const before = await vi.waitFor(async () => {
      const all = await exported('alice');
      expect(all.places.vms).toHaveLength(3);
      expect(all.places['dead-letters']).toHaveLength(1);
      return all;
    }, PATIENTLY);
    expect(before.names).toEqual([names.alice, names.aliceBefore]);
    expect(before.places.sessions).toEqual([
      { vm: 'desk', weight: 1 },
      { vm: 'lab', weight: 1 },
    ]);
    expect(before.places.tokens).toMatchObject([{ role: 'device', user: names.alice }]);
    expect(before.places.mqtt).toEqual([position]);
    const types = Map.groupBy(before.places.events as { type: string }[], ({ type }) => type);
    expect(types.get('location.reported.v1')!.length).toBeGreaterThanOrEqual(15);
    for (const type of [
      'session.attached.v1',
      'session.detached.v1',
      'interruption.reported.v1',
      'event.rejected.v1',
    ]) {
      expect(types.has(type), type).toBe(true);
    }
    expect(JSON.stringify(before)).not.toContain(names.bob);
    expect(await streamsWith(names.alice)).toEqual(['KV_tagalong_records', 'tagalong_events']);
    const past = async () => (await ask('GET', `/v1/dashboard/past?atMs=${Date.now()}`)).body;
    expect(JSON.stringify(await past())).toContain(names.alice);

    const erasure = (await ask('DELETE', '/v1/users/alice')).body as Erasure;
    expect(erasure).toMatchObject({ complete: true });
    const removed = Object.fromEntries(erasure.places.map(({ place, removed }) => [place, removed]));
    expect(removed).toMatchObject({ tokens: 1, sessions: 2, vms: 3, 'dead-letters': 1, mqtt: 1 });
    expect(removed.events).toBeGreaterThan(18);

    // The proof: nothing is found, neither by an export nor in any message of any stream.
    const after = await exported('alice');
    expect(Object.values(after.places).flat()).toEqual([]);
    for (const name of [names.alice, names.aliceBefore, 'alice']) expect(await streamsWith(name), name).toEqual([]);
    expect(JSON.stringify(await past())).not.toContain(names.alice);
    expect(JSON.stringify(await past())).toContain(names.bob);
    expect(await report('alice', -71)).toMatchObject({ accepted: 0, unattached: 1 });

    // Other people: nothing is lost, and everything goes on.
    const other = await exported('bob');
    expect(other.places.sessions).toHaveLength(1);
    expect(other.places.mqtt).toHaveLength(1);
    expect((other.places.events as unknown[]).length).toBeGreaterThanOrEqual(6);
    expect(await report('bob', -71.02)).toMatchObject({ accepted: 1 });
    // A repeat removes nothing but its own notices to placement and dashboards, one for each name.
    const again = (await ask('DELETE', '/v1/users/alice')).body as Erasure;
    expect(again.places.map(({ place, removed, done }) => [place, removed, done])).toEqual(
      erasure.places.map(({ place }) => [place, place === 'events' ? 2 : 0, true]),
    );

    // The files of the server: of the events nothing is left, of the records what the answer names.
    await server.restart();
    const named = erasure.remains.map(({ where }) => where);
    expect(named).toContain('files of the store servers');
    expect(filesWith(names.bob)).toContain('tagalong_events');
    const files = filesWith(names.alice);
    expect(files.filter((stream) => stream !== 'KV_tagalong_records')).toEqual([]);
  });
});
