/**
 * Whose bus this is. A topic of one partition holds what each installation has said that came upon an empty one; the first
 * of them is the owner. The keys differ, so that compaction removes none of them.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type KafkaClient, unreachable } from './client.ts';
import { GroupConsumer } from './consumer.ts';
import { groupIdOf } from './lag.ts';
import type { KafkaOptions } from './options.ts';
import { OwnPlaces } from './places.ts';
import { Sender } from './sender.ts';
import { ensureTopics, offsetsOf, topicConfig } from './topics.ts';

/** Longer than a broker that changes leaders takes. */
const READ_WITHIN_MS = 30_000;
const LOOK_AGAIN_MS = 10;

/**
 * Writes down whose bus this is, where nobody has yet.
 * @param installation an id
 * @returns the id of the installation whose it is
 * @throws TagalongError BUS_UNREACHABLE; BUS_UNFIT where the topic cannot be made
 */
export async function claimBus(client: KafkaClient, options: KafkaOptions, installation: string): Promise<string> {
  const topic = `${client.prefix}.installation`;
  await ensureTopics(client.admin, [topicConfig(topic, 1, options, { 'cleanup.policy': 'compact' })], 'BUS_UNFIT');
  const written = await firstOf(client, topic);
  if (written !== undefined) return written;
  const sender = new Sender(client, { unreachable: 'BUS_UNREACHABLE', tooLong: 'EVENT_INVALID' });
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
    places: new OwnPlaces(new Map()),
    async handle({ messages, end, save }) {
      first ??= messages.find(({ value }) => value !== null)?.value?.toString();
      readTo = end;
      await save({ offset: end });
    },
  });
  try {
    await consumer.start();
    const untilMs = Date.now() + READ_WITHIN_MS;
    while (first === undefined && readTo < end) {
      if (Date.now() > untilMs) throw new Error(`topic ${topic} was not read within ${READ_WITHIN_MS} ms`);
      await sleep(LOOK_AGAIN_MS);
    }
    return first;
  } catch (error) {
    throw unreachable('BUS_UNREACHABLE', 'the owner of the bus could not be read', error);
  } finally {
    await consumer.stop();
  }
}
