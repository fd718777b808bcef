import { Kafka, logLevel } from 'kafkajs';
import { topicsOf } from '#shared/bus/kafka/topics.ts';
import { type Bare, stopwatch } from './bare.ts';

/** A kafkajs consumer of the bus's topic. It parses each event from JSON and commits each batch. */
export function bareKafka(brokers: readonly string[], prefix: string): Bare {
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const { events: topic } = topicsOf(prefix);
  return {
    begin: () => pin(kafka, topic, `bare-${prefix}`),
    consume: (count) => consumeBare(kafka, topic, `bare-${prefix}`, count, true),
    remove: () => removeTopics(kafka, prefix),
  };
}

/** @param reads false: events are not parsed */
export async function consumeBare(
  kafka: Kafka,
  topic: string,
  groupId: string,
  count: number,
  reads: boolean,
): Promise<number> {
  const watch = stopwatch(count);
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 250 });
  await consumer.connect();
  await consumer.subscribe({ topic });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, commitOffsetsIfNecessary }) => {
      const read = reads ? batch.messages.map(({ value }) => JSON.parse(value!.toString())) : batch.messages;
      watch.take(read.length);
      const offset = String(Number(batch.lastOffset()) + 1);
      const partitions = [{ partition: batch.partition, offset }];
      await commitOffsetsIfNecessary({ topics: [{ topic, partitions }] });
      resolveOffset(batch.lastOffset());
    },
  });
  const rate = await watch.rate;
  await consumer.disconnect();
  return rate;
}

/** Commits the end offsets of a topic for a group. */
export async function pin(kafka: Kafka, topic: string, groupId: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic);
  const partitions = ends.map(({ partition, high }) => ({ partition, offset: high }));
  await admin.setOffsets({ groupId, topic, partitions });
  await admin.disconnect();
}

/** Deletes the topics of a bus, and those of a store if there is one. */
export async function removeTopics(kafka: Kafka, prefix: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  const there = await admin.listTopics();
  const ours = [...Object.values(topicsOf(prefix)), `${prefix}.store`].filter((topic) => there.includes(topic));
  await admin.deleteTopics({ topics: ours });
  await admin.disconnect();
}
