/** The bus on Apache Kafka. What it promises and how it keeps it: README.md beside this file. */
import { TagalongError } from '../../errors.ts';
import { type Bus, MAX_EVENT_BYTES } from '../bus.ts';
import { connectKafka, unreachable, watchTopics } from './client.ts';
import { LagWatch } from './lag.ts';
import { Member } from './member.ts';
import type { KafkaOptions } from './options.ts';
import { claimBus } from './owner.ts';
import { createPublisher } from './publisher.ts';
import { createTopics, topicsOf } from './topics.ts';

/**
 * Opens the bus, and makes its topics where they are not there yet.
 * @throws TagalongError BUS_UNREACHABLE where no broker answers, or none takes who we are; BUS_UNFIT where the topics are
 * there with another number of partitions, or cannot be made
 */
export async function kafkaBus(options: KafkaOptions): Promise<Bus> {
  const client = await connectKafka(options, 'BUS_UNREACHABLE');
  const { partitions = 16 } = options;
  const topics = topicsOf(client.prefix);
  const publisher = createPublisher(client, topics, partitions);
  try {
    await createTopics(client.admin, topics, options);
    await publisher.open();
  } catch (error) {
    await client.close();
    throw error instanceof TagalongError ? error : unreachable('BUS_UNREACHABLE', 'could not open the bus', error);
  }
  const watch = watchTopics(client, 'bus', Object.values(topics));
  const members = new Set<Member>();
  const lag = new LagWatch(client, topics, () => [...members].flatMap((member) => member.ownPlaces()));
  let closing: Promise<void> | undefined;
  let closed = false;

  return {
    async publish(events) {
      if (closed) throw closedError('publish');
      await publisher.publish(events);
    },
    async subscribe(wanted, handler) {
      if (closing) throw closedError('subscribe');
      const member = await Member.create({ client, topics, partitions, publisher }, wanted, handler);
      const stop = async () => {
        await member.stop();
        members.delete(member);
      };
      // Known before it has joined, so that close() stops also who is about to.
      members.add(member);
      await member.start().catch(async (error) => {
        await stop();
        throw error;
      });
      return { stop };
    },
    counters: client.counters,
    lag: () => lag.now(),
    claim: (installation) => claimBus(client, options, installation),
    connected: () => watch.state,
    maxEventBytes: MAX_EVENT_BYTES,
    close() {
      closing ??= (async () => {
        watch.close();
        // What is in hand may still publish what came of it.
        await Promise.all([...members].map((member) => member.stop()));
        closed = true;
        await publisher.close();
        await lag.close();
        await client.close();
      })();
      return closing;
    },
  };
}

function closedError(call: string): TagalongError {
  return new TagalongError('BUS_CLOSED', `${call}: the bus is closed; nothing is taken after close()`);
}
