/** The bus on Apache Kafka. README.md beside this file describes its guarantees and their implementation. */
import { BUS_ROLE } from '../../connection/role.ts';
import { TagalongError } from '../../errors.ts';
import { connectKafka, unreachable, watchTopics } from '../../kafka/client.ts';
import { type Bus, MAX_EVENT_BYTES } from '../bus.ts';
import { closedError } from '../closed.ts';
import { readAudit } from './audited.ts';
import { LagWatch } from './lag.ts';
import { Member } from './member.ts';
import type { KafkaBusOptions } from './options.ts';
import { claimBus } from './owner.ts';
import { createPublisher } from './publisher.ts';
import { createTopics, topicsOf } from './topics.ts';

/**
 * Opens the bus, and makes its topics where they are not there yet.
 * @throws TagalongError BUS_UNREACHABLE where no broker answers, or none accepts our credentials; BUS_UNFIT where a topic has another
 * number of partitions, or cannot be made
 */
export async function kafkaBus(options: KafkaBusOptions): Promise<Bus> {
  const client = await connectKafka(options, BUS_ROLE);
  const { partitions = 16 } = options;
  const topics = topicsOf(client.prefix);
  const publisher = createPublisher(client, topics, partitions);
  try {
    await createTopics(client, topics, options);
    await publisher.open();
  } catch (error) {
    await client.close();
    throw error instanceof TagalongError ? error : unreachable(BUS_ROLE, 'could not open the bus', error);
  }
  const watch = watchTopics(client, Object.values(topics));
  const members = new Set<Member>();
  const lag = new LagWatch(client, topics, () => [...members].flatMap((member) => member.localOffsets()));
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
      // Added before it has joined, so that close() also stops a member that is about to join.
      members.add(member);
      await member.start().catch(async (error) => {
        await stop();
        throw error;
      });
      return { stop };
    },
    async audited(query) {
      if (closing) throw closedError('audited');
      return readAudit(client, topics.audit, query);
    },
    counters: client.counters,
    lag: () => lag.now(),
    claim: (installation) => claimBus(client, options, installation),
    connected: () => watch.state,
    maxEventBytes: MAX_EVENT_BYTES,
    close() {
      closing ??= (async () => {
        watch.close();
        // Running handlers may still publish.
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
