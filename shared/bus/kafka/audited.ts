import { randomUUID } from 'node:crypto';
import { BUS_ROLE } from '../../connection/role.ts';
import { groupIdOf, type KafkaClient, unreachable } from '../../kafka/client.ts';
import { GroupConsumer } from '../../kafka/consumer.ts';
import { LocalOffsets, partitionKey } from '../../kafka/offsets.ts';
import { offsetsOf } from '../../kafka/topics.ts';
import { AUDIT_CLOCKS_DIFFER_MS, AUDIT_TYPE, AuditCollector, type AuditEvent, type AuditedQuery } from '../audited.ts';
import { readRecords } from './wire.ts';

/** The longest time for a reading. */
const WITHIN_MS = 30_000;
const TYPES = new Set([AUDIT_TYPE] as const);

/**
 * Reads the audit's topic, which has one partition, from an instant to its end.
 * @throws TagalongError BUS_UNREACHABLE
 */
export async function readAudit(
  client: KafkaClient,
  topic: string,
  query: AuditedQuery,
): Promise<readonly AuditEvent[]> {
  const collector = new AuditCollector(query);
  const [from, end] = await boundsOf(client, topic, query.sinceMs - AUDIT_CLOCKS_DIFFER_MS);
  if (from >= end) return [];
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const consumer = new GroupConsumer(client, {
    groupId: `${groupIdOf(client.prefix, 'audit')}/${randomUUID()}`,
    topics: [topic],
    offsets: new LocalOffsets(new Map([[partitionKey(topic, 0), from]])),
    async handle({ partition, messages, end: readTo, save }) {
      for (const { event } of readRecords(messages, { partition, partitions: 1, types: TYPES }).events) {
        collector.add(event);
      }
      await save({ offset: readTo });
      if (readTo >= end) resolve();
    },
  });
  const timer = setTimeout(() => reject(new Error('no broker answered in time')), WITHIN_MS);
  try {
    await consumer.start();
    await done;
    return collector.found;
  } catch (error) {
    throw unreachable(BUS_ROLE, 'the audit could not be read', error);
  } finally {
    clearTimeout(timer);
    await consumer.stop();
  }
}

/** The offset of the first record of an instant or later, and the offset after the last record. */
async function boundsOf({ admin }: KafkaClient, topic: string, sinceMs: number): Promise<readonly [number, number]> {
  try {
    const [first] = await admin.fetchTopicOffsetsByTimestamp(topic, Math.max(0, sinceMs));
    const [ends] = await offsetsOf(admin, topic);
    return [Number(first!.offset), Number(ends!.high)];
  } catch (error) {
    throw unreachable(BUS_ROLE, 'the audit could not be read', error);
  }
}
