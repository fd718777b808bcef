/** Which topics there are, what each is for, and how they come to be. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin, ITopicConfig } from 'kafkajs';
import { TagalongError } from '../../errors.ts';
import type { EventType } from '../../events/index.ts';
import { LATEST_KEPT } from '../bus.ts';
import type { KafkaOptions } from './options.ts';

const DAY_MS = 86_400_000;
/** Dead letters wait for somebody to look at them. */
const LETTERS_RETENTION_MS = 30 * DAY_MS;
/** What brokers say of a topic that they do not know yet, or whose partitions are changing leaders. */
const NEW_TOPIC = ['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_LEADER_FOR_PARTITION'];
const KNOWN_WITHIN_MS = 10_000;
const KNOWN_AGAIN_MS = 50;

/** The topics of one bus. */
export interface Topics {
  /** All that is said of VMs: one topic, because the order of a VM's events holds across their types. */
  readonly events: string;
  /** What is kept by key for those who come later: compacted. */
  readonly latest: string;
  /** Apart, to be kept longer, and to be read without the events. */
  readonly letters: string;
}

/** @param prefix begins their names */
export function topicsOf(prefix: string): Topics {
  return { events: `${prefix}.events`, latest: `${prefix}.latest`, letters: `${prefix}.dead-letters` };
}

/** The topic that events of a type are on. */
export function topicOf(type: EventType, topics: Topics): string {
  if (LATEST_KEPT.includes(type)) return topics.latest;
  return type === 'event.rejected.v1' ? topics.letters : topics.events;
}

/** Makes the topics of a bus, each with the same number of partitions, where they are not there yet. */
export async function createTopics(admin: Admin, topics: Topics, options: KafkaOptions): Promise<void> {
  const { partitions = 16, retentionMs = 7 * DAY_MS } = options;
  const topic = (name: string, config: Readonly<Record<string, string | number>>) =>
    topicConfig(name, partitions, options, config);
  const wanted = [
    topic(topics.events, { 'retention.ms': retentionMs }),
    // Small segments: the one that is written to is never compacted, and who comes reads all of it.
    topic(topics.latest, { 'cleanup.policy': 'compact', 'segment.bytes': 16_777_216, 'segment.ms': DAY_MS }),
    topic(topics.letters, { 'retention.ms': LETTERS_RETENTION_MS }),
  ];
  await ensureTopics(admin, wanted, 'BUS_UNFIT');
}

/** One topic as it is to be made; enough of its replicas have to have written for a write to be acknowledged. */
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
 * Makes topics where they are not there yet; those that are there stay as they are.
 * @throws TagalongError with `code` where one is there with other partitions, or cannot be made
 */
export async function ensureTopics(
  admin: Admin,
  topics: readonly ITopicConfig[],
  code: 'BUS_UNFIT' | 'STORE_UNFIT',
): Promise<void> {
  try {
    await admin.createTopics({ topics: [...topics], waitForLeaders: false });
  } catch (cause) {
    if (!(await allThere(admin, topics))) throw cannotBeMade(topics, code, cause);
  }
  const names = topics.map(({ topic }) => topic);
  const { topics: there } = await whenKnown(() => admin.fetchTopicMetadata({ topics: names }));
  for (const { name, partitions } of there) {
    const wanted = topics.find(({ topic }) => topic === name)!.numPartitions!;
    if (partitions.length === wanted) continue;
    const told = `topic ${name} has ${partitions.length} partitions, and ${wanted} are configured`;
    throw new TagalongError(code, `${told}; keys would move: configure ${partitions.length}, or another prefix`);
  }
  // Answered when each partition has a leader that knows it is one.
  for (const name of names) await offsetsOf(admin, name);
}

/** The ends and beginnings of a topic's partitions. */
export function offsetsOf(admin: Admin, topic: string) {
  return whenKnown(() => admin.fetchTopicOffsets(topic));
}

/**
 * Asks again while the broker that was asked has not heard yet of a topic that was just made, or of a new leader: one
 * learns after the other of it, and kafkajs holds that answer for final.
 */
export async function whenKnown<T>(ask: () => Promise<T>): Promise<T> {
  const until = Date.now() + KNOWN_WITHIN_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const isNew = NEW_TOPIC.includes((error as { type?: string }).type ?? '');
      if (!isNew || Date.now() > until) throw error;
      await sleep(KNOWN_AGAIN_MS);
    }
  }
}

/** Another process may have made them at the same time. */
async function allThere(admin: Admin, topics: readonly ITopicConfig[]): Promise<boolean> {
  const there = new Set(await admin.listTopics());
  return topics.every(({ topic }) => there.has(topic));
}

function cannotBeMade(
  topics: readonly ITopicConfig[],
  code: 'BUS_UNFIT' | 'STORE_UNFIT',
  cause: unknown,
): TagalongError {
  const errors = (cause as { errors?: readonly Error[] }).errors ?? [cause as Error];
  const why = [...new Set(errors.map(({ message }) => message))].join('; ');
  const right = `there have to be ${topics[0]!.replicationFactor} brokers, or a smaller replication`;
  return new TagalongError(code, `topics ${topics.map(({ topic }) => topic).join(', ')}: ${why}; ${right}`, { cause });
}
