/** A topic of a store that a test can compact, and its records. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel, type Message } from 'kafkajs';
import type { Store } from '#shared/store/store.ts';

/** Creates the topic if it does not exist. The brokers compact each segment when the next one begins. */
export async function compactedStore(brokers: readonly string[], topic: string) {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  const config = {
    'cleanup.policy': 'compact',
    'segment.ms': 500,
    'min.cleanable.dirty.ratio': 0,
    'delete.retention.ms': 0,
  };
  const configEntries = Object.entries(config).map(([name, value]) => ({ name, value: String(value) }));
  await admin.createTopics({
    topics: [{ topic, numPartitions: 1, replicationFactor: 1, configEntries }],
    waitForLeaders: true,
  });
  await admin.disconnect();

  const recordsIn = () => countRecords(kafka, topic);
  return {
    recordsIn,
    /** Writes until the brokers have removed most of the earlier records. */
    async compact(store: Store): Promise<void> {
      let filler = (await store.get('filler'))?.revision ?? 0;
      for (let round = 0, before = await recordsIn(); round < 60 && (await recordsIn()) > before / 2; round++) {
        [filler] = (await store.put([{ key: 'filler', value: round, revision: filler }])) as [number];
        await sleep(600);
      }
    },
    async inject(messages: Message[]): Promise<void> {
      const producer = kafka.producer();
      await producer.connect();
      await producer.send({ topic, messages });
      await producer.disconnect();
    },
  };
}

/** The number of records that a new reader gets. */
async function countRecords(kafka: Kafka, topic: string): Promise<number> {
  const admin = kafka.admin();
  await admin.connect();
  const end = Number((await admin.fetchTopicOffsets(topic))[0]!.high);
  await admin.disconnect();
  const consumer = kafka.consumer({ groupId: `count-${Math.random()}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  let count = 0;
  await new Promise<void>((resolve) => {
    void consumer.run({
      eachBatch: async ({ batch }) => {
        count += batch.messages.length;
        if (Number(batch.lastOffset()) >= end - 1) resolve();
      },
    });
  });
  await consumer.disconnect();
  return count;
}
