/** Injects foreign messages into the topics of running services on a real Kafka broker. */
import { Kafka, logLevel } from 'kafkajs';
import { topicOf, topicsOf } from '#shared/bus/kafka/topics.ts';
import type { EventType } from '#shared/events/index.ts';
import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import type { Foreign } from './foreign.ts';
import { injectedOn } from './injected-on.ts';

onKafka('foreign messages on Kafka', () =>
  injectedOn(async () => {
    const { brokers, stop } = await startKafka();
    const put = async (prefix: string, messages: readonly Foreign[]) => {
      const producer = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).producer();
      await producer.connect();
      for (const { type, key, partition, value, headers = {}, id } of messages) {
        const all = { ce_type: type, ...headers, ...(id !== undefined && { ce_id: id }) };
        const topic = topicOf(type as EventType, topicsOf(prefix));
        await producer.send({ topic, messages: [{ key, partition, value, headers: all }] });
      }
      await producer.disconnect();
    };
    return { url: `kafka://${brokers.join()}`, put, stop };
  }),
);
