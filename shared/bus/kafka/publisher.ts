import { check, type Event } from '../../events/index.ts';
import type { KafkaClient } from '../../kafka/client.ts';
import { Sender } from '../../kafka/sender.ts';
import { partitionsOf, type Topics, topicOf } from './topics.ts';
import { toRecord } from './wire.ts';

/** Publishes the events of a bus. */
export interface Publisher {
  /** Connects. @throws an error of kafkajs */
  open(): Promise<void>;
  /**
   * Resolves when all of the events are acknowledged.
   * @throws TagalongError EVENT_INVALID, and none is published; BUS_UNREACHABLE, and some may have been
   */
  publish(events: readonly Event[]): Promise<void>;
  /** Resolves when all that was published is acknowledged, or has failed. */
  close(): Promise<void>;
}

/** A publisher that checks each event and sends it to the topic of its type and the partition of its key. */
export function createPublisher(client: KafkaClient, topics: Topics, partitions: number): Publisher {
  const sender = new Sender(client, 'EVENT_INVALID');
  return {
    open: () => sender.open(),
    async publish(events) {
      for (const event of events) check(event);
      await sender.send(
        events.map((event) => {
          const topic = topicOf(event.type, topics);
          return { topic, record: toRecord(event, partitionsOf(topic, topics, partitions)) };
        }),
      );
    },
    close: () => sender.close(),
  };
}
