/**
 * The owner of the bus: one installation. Each installation that finds the topic empty writes its id into the topic's only
 * partition. The first record is the owner. The keys differ, so that compaction removes no record.
 */
import { randomUUID } from 'node:crypto';
import { until } from '../../clock/retry.ts';
import { groupIdOf, type KafkaClient, unreachable } from '../../kafka/client.ts';
import { GroupConsumer } from '../../kafka/consumer.ts';
import { LocalOffsets } from '../../kafka/offsets.ts';
import type { KafkaOptions } from '../../kafka/options.ts';
import { Sender } from '../../kafka/sender.ts';
import { ensureTopics, offsetsOf, topicConfig } from '../../kafka/topics.ts';

/** The limit of a read. A change of leaders takes less. */
const READ_WITHIN_MS = 30_000;
const LOOK_AGAIN_MS = 10;

/**
 * Records an installation as the owner of the bus, unless the bus has an owner.
 * @param installation its id
 * @returns the id of the owner
 * @throws TagalongError BUS_UNREACHABLE; BUS_UNFIT where the topic cannot be made
 */
export async function claimBus(client: KafkaClient, options: KafkaOptions, installation: string): Promise<string> {
  const topic = `${client.prefix}.installation`;
  await ensureTopics(client, [topicConfig(topic, 1, options, { 'cleanup.policy': 'compact' })]);
  const written = await firstOf(client, topic);
  if (written !== undefined) return written;
  const sender = new Sender(client, 'EVENT_INVALID');
  try {
    await sender.send([{ topic, record: { key: randomUUID(), partition: 0, value: installation } }]);
  } finally {
    await sender.close();
  }
  return (await firstOf(client, topic)) ?? installation;
}

/** The first record of a topic with one partition; undefined where it is empty. */
async function firstOf(client: KafkaClient, topic: string): Promise<string | undefined> {
  const [partition] = await offsetsOf(client.admin, topic);
  const end = Number(partition!.high);
  if (end === 0) return undefined;
  let first: string | undefined;
  let readTo = 0;
  const consumer = new GroupConsumer(client, {
    groupId: `${groupIdOf(client.prefix, 'installation')}/${randomUUID()}`,
    topics: [topic],
    offsets: new LocalOffsets(new Map()),
    async handle({ messages, end, save }) {
      first ??= messages.find(({ value }) => value !== null)?.value?.toString();
      readTo = end;
      await save({ offset: end });
    },
  });
  try {
    await consumer.start();
    const isRead = await until(() => first !== undefined || readTo >= end, {
      everyMs: LOOK_AGAIN_MS,
      withinMs: READ_WITHIN_MS,
    });
    if (!isRead) throw new Error(`topic ${topic} was not read within ${READ_WITHIN_MS} ms`);
    return first;
  } catch (error) {
    throw unreachable(client.role, 'the owner of the bus could not be read', error);
  } finally {
    await consumer.stop();
  }
}
