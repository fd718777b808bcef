/** The topics of a bus, with their purpose and configuration. */
import type { EventType } from '../../events/index.ts';
import type { KafkaClient } from '../../kafka/client.ts';
import { ensureTopics, topicConfig } from '../../kafka/topics.ts';
import { AUDIT_RETENTION_MS, AUDIT_TYPE } from '../audited.ts';
import { LATEST_KEPT } from '../bus.ts';
import type { KafkaBusOptions } from './options.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Dead letters wait longer, until an operator has looked at them. */
export const DEAD_LETTERS_RETENTION_MS = 30 * DAY_MS;

/** Brokers create a file a partition for each segment. */
const LEAST_SEGMENT_MS = 60_000;

/** The topics of one bus. */
export interface Topics {
  /** All events of VMs but positions: one topic, because the order of a VM's events holds across their types. */
  readonly events: string;
  /** The positions of users, apart from the events because they are deleted earlier. */
  readonly locations: string;
  /** The types in `LATEST_KEPT`, of which the last event of each key is kept: compacted. */
  readonly latest: string;
  /** Apart from the events, so that dead letters are kept longer and can be read alone. */
  readonly deadLetters: string;
  /** The audit, which has one partition, so that its records are in order. */
  readonly audit: string;
}

/** The names of a bus's topics. @param prefix begins them */
export function topicsOf(prefix: string): Topics {
  return {
    events: `${prefix}.events`,
    locations: `${prefix}.locations`,
    latest: `${prefix}.latest`,
    deadLetters: `${prefix}.dead-letters`,
    audit: `${prefix}.audit`,
  };
}

/** The topic of the events of a type. */
export function topicOf(type: EventType, topics: Topics): string {
  if (type === AUDIT_TYPE) return topics.audit;
  if (type === 'location.reported.v1') return topics.locations;
  if (LATEST_KEPT.includes(type)) return topics.latest;
  return type === 'event.rejected.v1' ? topics.deadLetters : topics.events;
}

/** The number of partitions of a topic. @param partitions that of the bus */
export function partitionsOf(topic: string, topics: Topics, partitions: number): number {
  return topic === topics.audit ? 1 : partitions;
}

/**
 * Creates the missing topics of a bus, all but the audit with the same number of partitions.
 * @throws TagalongError BUS_UNFIT
 */
export async function createTopics(client: KafkaClient, topics: Topics, options: KafkaBusOptions): Promise<void> {
  const { partitions = 16, retentionMs = 7 * DAY_MS, locationRetentionMs = HOUR_MS } = options;
  const { auditRetentionMs = AUDIT_RETENTION_MS } = options;
  const topic = (name: string, config: Readonly<Record<string, string | number>>) =>
    topicConfig(name, partitionsOf(name, topics, partitions), options, config);
  const wanted = [
    topic(topics.events, { 'retention.ms': retentionMs }),
    // Brokers delete whole segments, once the last record of a segment is too old.
    topic(topics.locations, {
      'retention.ms': Math.ceil(locationRetentionMs),
      'segment.ms': Math.max(LEAST_SEGMENT_MS, Math.ceil(locationRetentionMs / 10)),
    }),
    // Small segments: the one that is written to is never compacted, and every new member reads all of it.
    topic(topics.latest, { 'cleanup.policy': 'compact', 'segment.bytes': 16_777_216, 'segment.ms': DAY_MS }),
    topic(topics.deadLetters, { 'retention.ms': DEAD_LETTERS_RETENTION_MS }),
    topic(topics.audit, { 'retention.ms': auditRetentionMs }),
  ];
  await ensureTopics(client, wanted);
}
