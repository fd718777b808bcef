/** Phones have an account of their own on the NATS server: a phone speaks for its user alone, and reads nothing. */
import { readFileSync } from 'node:fs';
import { connect as connectTo } from 'node:net';
import { connectAsync, MqttClient } from 'mqtt';
import { connect, nkeys } from 'nats';
import { afterEach, expect, test, vi } from 'vitest';
import { freePorts } from '#deploy/local/loopback.ts';
import { owntracksOverMqtt } from '#services/ingest/apis/mqtt.ts';
import { createIngest } from '#services/ingest/service.ts';
import { createTokens } from '#services/runtime/tokens.ts';
import { knownSites } from '#services/sites/known.ts';
import { natsBus } from '#shared/bus/nats/bus.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Event } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import type { Role } from '#shared/roles.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { PATIENTLY } from '../patience.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';
import { fullSpec, ownIngest } from './ingest-world.ts';

ownIngest();

const log = createLog('silent');
const clock = realClock();
const PAGE = readFileSync(new URL('../../services/ingest/README.md', import.meta.url), 'utf8');
const PHONES = /```\n(mqtt \{[\s\S]*?)\n```/.exec(PAGE)![1]!;
const WITH_TOKENS = /```\n(authorization \{[\s\S]*?)\n```/.exec(PAGE)![1]!;
const INGEST = { user: 'owntracks', password: 'A-SECRET-OF-INGEST' };
const SERVICES = { user: 'services', password: 'A-SECRET-OF-THE-SERVICES' };

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The server of the page, with an account of the services beside that of the phones. */
async function serverOfPage(page = PHONES): Promise<{ server: NatsTestServer; mqttUrl: string }> {
  const [port] = await freePorts(1);
  const services = `TAGALONG { jetstream: enabled, users: [ { user: ${SERVICES.user}, password: "${SERVICES.password}" } ] }\n  PHONES {`;
  const config = page.replace('0.0.0.0:1883', `127.0.0.1:${port}`).replace('PHONES {', services);
  const server = await startNats(config);
  closers.push(() => server.stop());
  return { server, mqttUrl: `mqtt://127.0.0.1:${port}` };
}

/** Ingest on a bus of the services, with its VMs, and its subscription to the phones' messages. */
async function world(url: string, auth: typeof INGEST, issuer = {}, logins = clock) {
  const bus = await natsBus({ servers: url, credentials: SERVICES });
  const store = memoryStore();
  const config = parseConfig(
    JSON.stringify({ bus: { url, auth: SERVICES }, ingest: { mqtt: { url, auth, ...issuer } } }),
    'mqtt-account',
  );
  const sites = knownSites(store, [{ site: 'east' }]);
  const ingest = createIngest({ bus, store, clock, config: config.ingest, sites, log });
  await ingest.start();
  for (const [vm, user] of [
    ['v1', 'jane.doe'],
    ['v2', 'jane'],
  ] as const) {
    await ingest.declareVm(vm, 'east', fullSpec);
    await ingest.attach(vm, user, 1);
  }
  const seen: Event[] = [];
  await bus.subscribe({ group: 'test', types: ['location.reported.v1', 'vm.retired.v1'] }, async (batch) => {
    seen.push(...batch.map(({ event }) => event));
  });
  const tokens = createTokens(store, clock);
  const listener = owntracksOverMqtt({ config, ingest, tokens, clock: logins, log })!;
  closers.push(
    () => bus.close(),
    () => ingest.stop(),
    () => listener.stop(),
  );
  return { listener, seen, tokens };
}

async function phone(url: string, username: string, password: string): Promise<MqttClient> {
  const client = await connectAsync(url, { username, password, reconnectPeriod: 0, protocolVersion: 4 });
  closers.push(() => client.endAsync(true));
  return client;
}
const position = (ageS: number) =>
  JSON.stringify({ _type: 'location', lat: 48.85, lon: 2.29, tst: Math.round(clock.now() / 1000) - ageS, tid: 'ne' });

onNats('phones over MQTT', () => {
  test('a phone reports the positions of its own user, and can neither speak for others nor read', async () => {
    const { server, mqttUrl } = await serverOfPage();
    const { listener, seen } = await world(server.url, INGEST);
    await listener.start();
    const jane = await phone(mqttUrl, 'jane.doe', 'A-SECRET-OF-JANE');
    const heard: string[] = [];
    jane.on('message', (topic) => heard.push(topic));
    for (const topic of ['#', 'tagalong/+/location/#', 'owntracks/#', '$KV/#']) {
      const granted = await jane.subscribeAsync(topic).catch(() => []);
      expect(
        granted.filter(({ qos }) => Number(qos) < 128),
        topic,
      ).toEqual([]);
    }
    // At QoS 0, because the server ends the connection of a client that publishes elsewhere at QoS 1.
    const retired = { type: 'vm.retired.v1', data: { vm: 'v1', atMs: clock.now() } };
    for (const topic of ['owntracks/jane/phone', 'owntracks/jane/doe/phone', 'tagalong/0/vm/retired/v1/v1']) {
      await jane.publishAsync(topic, topic.startsWith('tagalong') ? JSON.stringify(retired) : position(9), { qos: 0 });
    }
    const again = jane.connected ? jane : await phone(mqttUrl, 'jane.doe', 'A-SECRET-OF-JANE');
    await again.publishAsync('owntracks/jane.doe/phone', position(1), { qos: 1 });
    await vi.waitFor(() => expect(seen).toHaveLength(1), PATIENTLY);
    expect(seen[0]!.data).toMatchObject({ vm: 'v1', user: 'jane.doe' });
    expect(heard).toEqual([]);
    await expect(phone(mqttUrl, 'jane.doe', 'a-wrong-password')).rejects.toThrow();
  });

  test('is refused at start where phones have the account of the services, by whatever user', async () => {
    const { server } = await serverOfPage();
    const shared = await world(server.url, INGEST);
    await shared.listener.start();
    await shared.listener.stop();
    const config = parseConfig(
      JSON.stringify({ bus: { url: 'memory:' }, ingest: { mqtt: { url: server.url, auth: SERVICES } } }),
      'mqtt-account',
    );
    const listener = owntracksOverMqtt({ config, ingest: {} as never, tokens: {} as never, clock, log })!;
    closers.push(() => listener.stop());
    await expect(listener.start()).rejects.toMatchObject({ code: 'MQTT_ACCOUNT_SHARED' });
  });

  test('an address that guesses tokens locks out itself, and no phone elsewhere', async () => {
    const issuer = nkeys.createAccount();
    const issuerSeed = new TextDecoder().decode(issuer.getSeed());
    const page = WITH_TOKENS.replace('AXXX', issuer.getPublicKey()).replace(
      '"owntracks"]',
      `"owntracks", "${SERVICES.user}"]`,
    );
    const { server, mqttUrl } = await serverOfPage(page);
    // The second in which the guesses are counted does not end.
    const nowMs = clock.now();
    const { listener, tokens } = await world(server.url, INGEST, { issuerSeed }, { ...clock, now: () => nowMs });
    await listener.start();
    const { token } = await tokens.create({ role: 'device', user: 'jane.doe', by: 'test', expiresInMs: 600_000 });
    const from = (localAddress: string, password: string) =>
      new Promise<boolean>((resolve) => {
        const port = Number(new URL(mqttUrl).port);
        const options = { username: 'jane.doe', password, reconnectPeriod: 0, protocolVersion: 4 } as const;
        const client = new MqttClient(() => connectTo({ host: '127.0.0.1', port, localAddress }), options);
        closers.push(() => client.endAsync(true));
        client.on('connect', () => resolve(true)).on('error', () => resolve(false));
        client.on('close', () => resolve(false));
      });
    const guess = async (password: (i: number) => string) => {
      for (let i = 0; i < 120; i += 20) {
        const some = await Promise.all(Array.from({ length: 20 }, (_, k) => from('127.0.0.1', password(i + k))));
        expect(some).not.toContain(true);
      }
    };
    await guess((i) => `no token ${i}`);
    expect(await from('127.0.0.1', token)).toBe(true);
    await guess((i) => `tgl_${i.toString(16).padStart(16, '0')}_${'A'.repeat(43)}`);
    expect(await from('127.0.0.1', token)).toBe(false);
    expect(await from('127.0.0.2', token)).toBe(true);
  }, 120_000);

  test('a phone signs in with the token of its user, and with no other one', async () => {
    const issuer = nkeys.createAccount();
    const issuerSeed = new TextDecoder().decode(issuer.getSeed());
    const page = WITH_TOKENS.replace('AXXX', issuer.getPublicKey()).replace(
      '"owntracks"]',
      `"owntracks", "${SERVICES.user}"]`,
    );
    const { server, mqttUrl } = await serverOfPage(page);
    const { listener, seen, tokens } = await world(server.url, INGEST, { issuerSeed });
    await listener.start();
    const issue = (role: Role, user: string | null, expiresInMs = 60_000) =>
      tokens.create({ role, user, by: 'test', expiresInMs });
    const { token, id } = await issue('device', 'jane.doe');
    const jane = await phone(mqttUrl, 'jane.doe', token);
    const granted = await jane.subscribeAsync('owntracks/#').catch(() => []);
    expect(granted.filter(({ qos }) => Number(qos) < 128)).toEqual([]);
    await jane.publishAsync('owntracks/jane/phone', position(9), { qos: 0 });
    const again = jane.connected ? jane : await phone(mqttUrl, 'jane.doe', token);
    await again.publishAsync('owntracks/jane.doe/phone', position(1), { qos: 1 });
    await vi.waitFor(() => expect(seen).toHaveLength(1), PATIENTLY);
    expect(seen[0]!.data).toMatchObject({ vm: 'v1', user: 'jane.doe' });

    const { token: admins } = await issue('admin', null);
    const { token: expired } = await issue('device', 'jane.doe', -1);
    const refused: [string, string][] = [
      ['jane', token],
      ['jane.doe', admins],
      ['jane.doe', expired],
      ['jane.doe', `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`],
      ['*', token],
      ['', ''],
    ];
    for (const [user, password] of refused) await expect(phone(mqttUrl, user, password), user).rejects.toThrow();
    await tokens.revoke(id);
    await expect(phone(mqttUrl, 'jane.doe', token)).rejects.toThrow();
    // A phone's token is no login for the bus.
    const bus = connect({ servers: server.url, user: 'jane.doe', pass: token, reconnect: false });
    await expect(bus).rejects.toMatchObject({ code: 'AUTHORIZATION_VIOLATION' });
  });
});
