import { expect, test } from 'vitest';
import { kafkaBus } from '#shared/bus/kafka/bus.ts';
import { kafkaStore } from '#shared/store/kafka.ts';
import { freshPrefix, startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { upgrades } from './upgrade-on.ts';

onKafka('on Kafka', () => {
  test('the services open a store without record versions, and lose nothing', async () => {
    const servers = await startKafka();
    const timing = { sessionTimeoutMs: 6_000, heartbeatMs: 100 };
    const options = { brokers: servers.brokers, prefix: freshPrefix(), replication: 1, timing };
    try {
      const bus = await kafkaBus({ ...options, partitions: 4 });
      await upgrades(bus, await kafkaStore(options));
      expect.hasAssertions();
    } finally {
      await servers.stop();
    }
  }, 150_000);
});
