import { check, type Event } from '../../events/index.ts';
import type { KafkaClient } from './client.ts';
import { Sender } from './sender.ts';
import { type Topics, topicOf } from './topics.ts';
import { toRecord } from './wire.ts';

/** What a bus publishes with. */
export interface Publisher {
  /** Connects. */
  open(): Promise<void>;
  /**
   * Resolves when all of the events are acknowledged.
   * @throws TagalongError EVENT_INVALID, and none is published; BUS_UNREACHABLE, and some may have been
   */
  publish(events: readonly Event[]): Promise<void>;
  /** Resolves when what is under way is acknowledged, or has failed. */
  close(): Promise<void>;
}

/** Events are checked, and each goes to the topic of its type and the partition of its key. */
export function createPublisher(client: KafkaClient, topics: Topics, partitions: number): Publisher {
  const sender = new Sender(client, { unreachable: 'BUS_UNREACHABLE', tooLong: 'EVENT_INVALID' });
  return {
    open: () => sender.open(),
    async publish(events) {
      for (const event of events) check(event);
      await sender.send(
        events.map((event) => ({ topic: topicOf(event.type, topics), record: toRecord(event, partitions) })),
      );
    },
    close: () => sender.close(),
  };
}
