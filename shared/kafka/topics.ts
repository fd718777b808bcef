/** Creates topics, and fetches their offsets. */
import type { Admin, ITopicConfig } from 'kafkajs';
import { retry } from '../clock/retry.ts';
import type { ServerRole } from '../connection/role.ts';
import { TagalongError } from '../errors.ts';
import type { KafkaClient } from './client.ts';
import type { KafkaOptions } from './options.ts';

/** The errors of a broker while a topic is new to it, or while a partition changes its leader. */
const NEW_TOPIC = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_LEADER_FOR_PARTITION'];
const KNOWN_WITHIN_MS = 10_000;
const KNOWN_AGAIN_MS = 50;

/** The configuration of a topic. A write is acknowledged when all but one of the replicas have it. */
export function topicConfig(
  topic: string,
  numPartitions: number,
  { replication = 3 }: KafkaOptions,
  config: Readonly<Record<string, string | number>>,
): ITopicConfig {
  const all = {
    'min.insync.replicas': Math.max(1, replication - 1),
    'unclean.leader.election.enable': 'false',
    ...config,
  };
  const configEntries = Object.entries(all).map(([name, value]) => ({ name, value: String(value) }));
  return { topic, numPartitions, replicationFactor: replication, configEntries };
}

/**
 * Creates missing topics. Existing topics stay unchanged.
 * @throws TagalongError `unfit` of the client's role if a topic has another number of partitions, or cannot be created
 */
export async function ensureTopics({ admin, role }: KafkaClient, topics: readonly ITopicConfig[]): Promise<void> {
  try {
    await admin.createTopics({ topics: [...topics], waitForLeaders: false });
  } catch (cause) {
    if (!(await allThere(admin, topics))) throw cannotBeMade(role, topics, cause);
  }
  const names = topics.map(({ topic }) => topic);
  const { topics: there } = await whenKnown(() => admin.fetchTopicMetadata({ topics: names }));
  for (const { name, partitions } of there) {
    const wanted = topics.find(({ topic }) => topic === name)!.numPartitions!;
    if (partitions.length === wanted) continue;
    const told = `topic ${name} has ${partitions.length} partitions, and ${wanted} are configured`;
    throw new TagalongError(role.unfit, `${told}; configure ${partitions.length} partitions, or choose another prefix`);
  }
  // The brokers answer this only when each partition has a leader, and the leader knows its role.
  for (const name of names) await offsetsOf(admin, name);
}

/** First and next offset of each partition of a topic, as `low` and `high`. @throws an error of kafkajs */
export function offsetsOf(admin: Admin, topic: string) {
  return whenKnown(() => admin.fetchTopicOffsets(topic));
}

/**
 * Retries for up to 10 s while a broker does not know a new topic or a new leader yet. Such news reaches the brokers one after
 * the other, and kafkajs does not retry by itself.
 * @throws an error of kafkajs
 */
export function whenKnown<T>(ask: () => Promise<T>): Promise<T> {
  // If new metadata lack the topic between two requests of one call, kafkajs fails with a TypeError of its own.
  const isPassing = (error: unknown) =>
    NEW_TOPIC.includes((error as { type?: string }).type ?? '') || error instanceof TypeError;
  return retry(ask, { everyMs: KNOWN_AGAIN_MS, withinMs: KNOWN_WITHIN_MS, isPassing });
}

/** True if all topics exist: another process may have created them at the same time. */
async function allThere(admin: Admin, topics: readonly ITopicConfig[]): Promise<boolean> {
  const there = new Set(await admin.listTopics());
  return topics.every(({ topic }) => there.has(topic));
}

function cannotBeMade(role: ServerRole, topics: readonly ITopicConfig[], cause: unknown): TagalongError {
  const errors = (cause as { errors?: readonly Error[] }).errors ?? [cause as Error];
  const why = [...new Set(errors.map(({ message }) => message))].join('; ');
  const right = `start ${topics[0]!.replicationFactor} brokers, or set a smaller replication`;
  return new TagalongError(role.unfit, `topics ${topics.map(({ topic }) => topic).join(', ')}: ${why}; ${right}`, {
    cause,
  });
}
