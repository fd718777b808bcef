import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { kafkaBus } from '#shared/bus/kafka/bus.ts';
import { partitionOf } from '#shared/events/index.ts';
import { offsetsOf } from '#shared/kafka/topics.ts';
import { kafkaStore } from '#shared/store/kafka.ts';
import { locationOf, Recorder } from '../contract/bus-events.ts';
import { PATIENTLY } from '../patience.ts';
import { freshPrefix, type KafkaServers, startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';

const types = ['location.reported.v1'] as const;
const timing = { heartbeatMs: 100 };

onKafka('Kafka on three nodes', () => {
  let servers: KafkaServers;
  beforeAll(async () => {
    servers = await startKafka({ nodes: 3 });
  }, 90_000);
  afterAll(() => servers?.stop());

  test('a write that the lost leader did not store is stored by its successor', async () => {
    const prefix = freshPrefix();
    const topic = `${prefix}.locations`;
    const admin = new Kafka({ brokers: [...servers.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const replicaAssignment = [
      [1, 2],
      [3, 1],
    ].map((replicas, partition) => ({ partition, replicas }));
    await admin.createTopics({ topics: [{ topic, replicaAssignment }], waitForLeaders: false });
    const bus = await kafkaBus({ brokers: servers.brokers, prefix, partitions: 2, replication: 1, timing });

    const vms = [0, 1].map((wanted) => ['vm-1', 'vm-2', 'vm-3', 'vm-4'].find((vm) => partitionOf(vm, 2) === wanted)!);
    await servers.halt(2);
    const published = bus.publish(vms.map((vm) => locationOf(vm, 1)));
    await sleep(500);
    await servers.kill(2);
    await published;
    const written = (await offsetsOf(admin, topic)).map(({ partition, high }) => [partition, high]);
    expect(written.toSorted()).toEqual([
      [0, '1'],
      [1, '1'],
    ]);
    await Promise.all([bus.close(), admin.disconnect()]);
    await servers.restart(2);
  }, 90_000);

  test('loses no event and no record when one node is lost', async () => {
    const options = { brokers: servers.brokers, prefix: freshPrefix(), partitions: 4, timing };
    const [bus, store] = await Promise.all([kafkaBus(options), kafkaStore(options)]);
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types }, seen.handler);
    const revisions: number[] = [0];
    for (let n = 0; n < 150; n++) {
      if (n === 50) await servers.kill(1);
      const [[revision]] = await Promise.all([
        store.put([{ key: 'n', value: n, revision: revisions.at(-1)! }]),
        bus.publish(['vm-1', 'vm-2', 'vm-3', 'vm-4'].map((vm) => locationOf(vm, n))),
        sleep(5),
      ]);
      revisions.push(revision!);
    }
    await vi.waitFor(() => expect(new Set(seen.deliveries.map(({ event }) => event.id)).size).toBe(600), PATIENTLY);
    for (const vm of seen.vms()) expect([...new Set(seen.of(vm))]).toEqual(Array.from({ length: 150 }, (_, n) => n));
    expect(await store.get('n')).toEqual({ key: 'n', value: 149, revision: 150 });
    await Promise.all([bus.close(), store.close()]);
  }, 120_000);
});

onKafka('Kafka with authentication', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tagalong-kafka-tls-'));
  const users = 'user_broker="for-itself" user_alice="wonderland"';
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  let servers: KafkaServers;
  let ca: string;
  beforeAll(async () => {
    execFileSync('sh', [new URL('../../deploy/certificates.sh', import.meta.url).pathname, folder, 'broker=127.0.0.1']);
    const file = (name: string) => readFileSync(join(folder, name), 'utf8');
    ca = file('ca.pem');
    const key = createPrivateKey(file('broker.key')).export({ type: 'pkcs8', format: 'pem' });
    writeFileSync(join(folder, 'keystore.pem'), `${key}${file('broker.pem')}`);
    const mechanisms = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];
    servers = await startKafka({
      protocol: 'SASL_SSL',
      format: mechanisms.flatMap((name) => ['--add-scram', `${name}=[name=alice,password=wonderland]`]),
      properties: {
        'ssl.keystore.type': 'PEM',
        'ssl.keystore.location': join(folder, 'keystore.pem'),
        'ssl.truststore.type': 'PEM',
        'ssl.truststore.location': join(folder, 'ca.pem'),
        'sasl.enabled.mechanisms': ['PLAIN', ...mechanisms].join(),
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.clients.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required username="broker" password="for-itself" ${users};`,
        'listener.name.clients.scram-sha-256.sasl.jaas.config': scram,
        'listener.name.clients.scram-sha-512.sasl.jaas.config': scram,
      },
    });
  }, 90_000);
  afterAll(async () => {
    await servers?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const as = (mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', password = 'wonderland') => ({
    ...{ brokers: servers.brokers, prefix: freshPrefix(), partitions: 1, replication: 1, timing, tls: { ca } },
    sasl: { mechanism, username: 'alice', password },
  });

  describe.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('by %s', (mechanism) => {
    test('accepts a known user', async () => {
      const [bus, store] = await Promise.all([kafkaBus(as(mechanism)), kafkaStore(as(mechanism))]);
      const seen = new Recorder();
      await bus.subscribe({ group: 'g', types }, seen.handler);
      await bus.publish([locationOf('vm-1', 1)]);
      await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1]), PATIENTLY);
      expect(await store.put([{ key: 'k', value: 1, revision: 0 }])).toEqual([1]);
      await Promise.all([bus.close(), store.close()]);
    });

    test('refuses an unknown user', async () => {
      const refused = {
        code: 'BUS_UNREACHABLE',
        message: expect.stringContaining('check user, password and mechanism'),
      };
      await expect(kafkaBus(as(mechanism, 'looking-glass'))).rejects.toMatchObject(refused);
      await expect(kafkaStore(as(mechanism, 'looking-glass'))).rejects.toMatchObject({ code: 'STORE_UNREACHABLE' });
    });
  });

  test('refuses a broker with a certificate of another authority', async () => {
    const { tls: _, ...rest } = as('plain');
    await expect(kafkaBus({ ...rest, tls: {} })).rejects.toMatchObject({ code: 'BUS_UNREACHABLE' });
  });
});
