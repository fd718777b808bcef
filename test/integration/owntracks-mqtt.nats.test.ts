/** OwnTracks over MQTT: a real MQTT client publishes to the gateway of a real NATS server. */
import { connectAsync, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { freePorts } from '#deploy/local/loopback.ts';
import { owntracksOverMqtt } from '#services/ingest/apis/mqtt.ts';
import { createIngest, type Ingest } from '#services/ingest/service.ts';
import { createTokens } from '#services/runtime/tokens.ts';
import { knownSites } from '#services/sites/known.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Event } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { PATIENTLY } from '../patience.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';
import { fullSpec, NOW_MS, ownIngest } from './ingest-world.ts';

ownIngest();

onNats('OwnTracks over MQTT', () => {
  const bus = memoryBus();
  const clock = virtualClock(NOW_MS);
  const logged: string[] = [];
  const log = createLog('info', { write: (line) => void logged.push(line) });
  let server: NatsTestServer;
  let phone: MqttClient;
  let ingest: Ingest;
  let seen: Event[];

  beforeEach(async () => {
    const [port] = await freePorts(1);
    server = await startNats(`mqtt { listen: "127.0.0.1:${port}" }`);
    phone = await connectAsync(`mqtt://127.0.0.1:${port}`);
    ingest = createIngest({
      bus,
      store: memoryStore(),
      clock,
      config: parseConfig('', 'test').ingest,
      sites: knownSites(memoryStore(), [{ site: 'east' }]),
      log,
    });
    await ingest.start();
    await ingest.declareVm('v1', 'east', fullSpec);
    await ingest.attach('v1', 'jane', 1);
    seen = [];
    await bus.subscribe({ group: 'test', types: ['location.reported.v1'] }, async (batch) => {
      seen.push(...batch.map(({ event }) => event));
    });
  });
  afterEach(async () => {
    await phone?.endAsync(true);
    await ingest?.stop();
    await server?.stop();
  });

  const listener = () =>
    owntracksOverMqtt({
      config: parseConfig(`ingest: { mqtt: { url: "${server.url}" } }`, 'test'),
      ingest,
      tokens: createTokens(memoryStore(), clock),
      clock,
      log,
    })!;
  const publish = (topic: string, body: object | string) =>
    phone.publishAsync(topic, typeof body === 'string' ? body : JSON.stringify(body), { qos: 1 });
  const at = (tst: number) => ({ _type: 'location', lat: 48.85833, lon: 2.29513, tst, tid: 'ne' });
  const NOW_S = NOW_MS / 1000;

  test('the topic names the user; an unreadable position is dropped, and the log does not contain it', async () => {
    const mqtt = listener();
    await mqtt.start();
    try {
      await publish('owntracks/jane/phone', at(NOW_S - 3));
      await publish('owntracks/jane/phone', '{"_type":"location","lat":48.8');
      await publish('owntracks/jane/phone', { _type: 'lwt', tst: NOW_S });
      await publish('owntracks/jane/phone', at(NOW_S - 1));
      await vi.waitFor(() => expect(seen).toHaveLength(2), PATIENTLY);
      expect(seen.map(({ data }) => data)).toEqual(
        [3, 1].map((s) => ({ vm: 'v1', user: 'jane', lat: 48.85833, lon: 2.29513, atMs: NOW_MS - s * 1000 })),
      );
      expect(logged.filter((line) => line.includes('was dropped'))).toHaveLength(1);
      expect(logged.join()).not.toMatch(/48\.8|jane/);
    } finally {
      await mqtt.stop();
    }
  });

  test('positions that are published while no process listens are accepted once, later', async () => {
    const first = listener();
    await first.start();
    await first.stop();
    await publish('owntracks/jane/phone', at(NOW_S - 9));
    await server.restart();
    const second = listener();
    await second.start();
    try {
      await vi.waitFor(() => expect(seen).toHaveLength(1), PATIENTLY);
    } finally {
      await second.stop();
    }
    const third = listener();
    await third.start();
    try {
      await publish('owntracks/jane/phone', at(NOW_S - 8));
      await vi.waitFor(() => expect(seen.length).toBeGreaterThan(1), PATIENTLY);
    } finally {
      await third.stop();
    }
    expect(seen.map(({ data }) => data.atMs)).toEqual([NOW_MS - 9000, NOW_MS - 8000]);
  });

  test('a user may have a dot in the name', async () => {
    await ingest.declareVm('v2', 'east', fullSpec);
    await ingest.attach('v2', 'jane.doe', 1);
    const mqtt = listener();
    await mqtt.start();
    try {
      await publish('owntracks/jane.doe/my.phone', at(NOW_S - 5));
      await publish('owntracks/jane..doe/phone', at(NOW_S - 5));
      await publish('owntracks/jane', at(NOW_S - 5));
      await publish('owntracks//jane/phone', at(NOW_S - 5));
      await publish('owntracks/jane/phone/other', at(NOW_S - 5));
      await publish('owntracks/jane/phone/event/more', at(NOW_S - 5));
      await publish('owntracks/jane/phone', at(NOW_S - 4));
      await vi.waitFor(() => expect(seen).toHaveLength(2), PATIENTLY);
      expect(seen.map(({ data }) => [(data as { vm: string }).vm, (data as { user: string }).user])).toEqual([
        ['v2', 'jane.doe'],
        ['v1', 'jane'],
      ]);
    } finally {
      await mqtt.stop();
    }
  });
});
