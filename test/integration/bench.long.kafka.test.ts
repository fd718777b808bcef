import { Kafka, logLevel } from 'kafkajs';
import { test } from 'vitest';
import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { expectQuickBench } from './bench-on.ts';

onKafka('the benchmark of the bus on Kafka', () => {
  test('compares the bus and placement with the bare client, and leaves no topic on the server', async () => {
    const { brokers, stop } = await startKafka();
    const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
    try {
      await admin.connect();
      const ours = async () => (await admin.listTopics()).filter((topic) => topic.startsWith('bench'));
      await expectQuickBench('kafka', `kafka://${brokers.join()}`, ours);
    } finally {
      await admin.disconnect();
      await stop();
    }
  }, 600_000);
});
