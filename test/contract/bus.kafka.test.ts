import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll } from 'vitest';
import type { Bus } from '#shared/bus/bus.ts';
import { kafkaBus } from '#shared/bus/kafka/bus.ts';
import { freshPrefix, type KafkaServers, startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { busContract } from './bus.ts';
import type { BusHarness } from './bus-harness.ts';

const timing = { sessionTimeoutMs: 6_000, heartbeatMs: 50, rebalanceTimeoutMs: 20_000, lagMs: 50 };

onKafka('on Kafka', () => {
  let servers: KafkaServers;
  beforeAll(async () => {
    servers = await startKafka();
  }, 60_000);
  afterAll(() => servers?.stop());

  const open = async (): Promise<BusHarness> => {
    const { brokers } = servers;
    const prefix = freshPrefix();
    const connect = () => kafkaBus({ brokers, prefix, partitions: 4, replication: 1, timing });
    const bus = await connect();
    const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    return {
      bus,
      connect,
      settle: () => settled(bus, prefix, admin),
      async close() {
        await bus.close();
        await admin.disconnect();
      },
    };
  };
  busContract('the Kafka bus', open, { runs: 5 });
});

/** Resolves when no event waits for a group with members, in a lag that was measured after the call. */
async function settled(bus: Bus, prefix: string, admin: ReturnType<Kafka['admin']>): Promise<void> {
  for (let seen = bus.lag(), measurements = 0; ; await sleep(10)) {
    const lag = bus.lag();
    if (lag === seen) continue;
    seen = lag;
    if (++measurements < 2) continue;
    const behind = [...new Set(lag.filter(({ events }) => events > 0).map(({ group }) => group))];
    if (behind.length === 0) return;
    const { groups } = await admin.describeGroups(behind.map((group) => `${prefix}/${group}`));
    const deserted = groups.filter(({ state }) => state === 'Empty').map(({ groupId }) => groupId);
    if (behind.every((group) => deserted.includes(`${prefix}/${group}`))) return;
  }
}
