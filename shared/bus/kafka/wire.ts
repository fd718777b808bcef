/** Events as Kafka records, and back. */
import type { KafkaMessage, Message } from 'kafkajs';
import { TagalongError } from '../../errors.ts';
import { decode, EVENT_TYPES, type Event, type EventType, encode, envelop, partitionOf } from '../../events/index.ts';

/** CloudEvents' Kafka binding 1.0.2, structured mode: the value is the whole event. */
const CONTENT_TYPE = 'application/cloudevents+json';
/** The event's type as a header, as in the binding: a group that does not want the type need not parse the value. */
const TYPE_HEADER = 'ce_type';
const KNOWN_TYPES: ReadonlySet<string> = new Set(EVENT_TYPES);
/** The end of the year 9999. A foreign record may have any timestamp. */
const LAST_MS = 253_402_300_799_999;
/** How many characters a dead letter quotes of a record that is no event. */
const MAX_QUOTED = 10_000;

/** One event as it was read. */
export interface Read {
  readonly event: Event;
  readonly offset: number;
}

/** One record that is no event, and why. */
export interface Undecodable {
  readonly message: KafkaMessage;
  readonly error: Error;
}

/** An event as a record of the partition of its key. */
export function toRecord(event: Event, partitions: number): Message {
  return {
    key: event.partitionkey,
    value: Buffer.from(encode(event)),
    partition: partitionOf(event.partitionkey, partitions),
    headers: { 'content-type': CONTENT_TYPE, [TYPE_HEADER]: event.type },
  };
}

/** The events of some types among the records of one partition, without those of other types; and the records that are no events. */
export function readRecords(
  messages: readonly KafkaMessage[],
  { partition, partitions, types }: { partition: number; partitions: number; types: ReadonlySet<EventType> },
): { readonly events: Read[]; readonly undecodable: Undecodable[] } {
  const events: Read[] = [];
  const undecodable: Undecodable[] = [];
  for (const message of messages) {
    // Types are Latin-1, which is decoded three times as fast as UTF-8.
    const type = message.headers?.[TYPE_HEADER]?.toString('latin1') as EventType | undefined;
    if (type !== undefined && !types.has(type) && KNOWN_TYPES.has(type)) continue;
    try {
      const event = decode(message.value?.toString() ?? '');
      const right = partitionOf(event.partitionkey, partitions);
      if (right !== partition) {
        throw new TagalongError(
          'EVENT_INVALID',
          `the event is on partition ${partition}, and its key belongs to partition ${right}; publish it there`,
        );
      }
      if (types.has(event.type)) events.push({ event, offset: Number(message.offset) });
    } catch (error) {
      undecodable.push({ message, error: error as Error });
    }
  }
  return { events, undecodable };
}

/** The dead letter for a record that is no event. Every group that reads the record publishes the same one. */
export function undecodableDeadLetter(topic: string, partition: number, { message, error }: Undecodable): Event {
  const place = `${topic}/${partition}/${message.offset}`;
  const data = {
    vm: 'unknown',
    atMs: Math.min(LAST_MS, Math.max(0, Math.trunc(Number(message.timestamp)) || 0)),
    code: 'EVENT_INVALID',
    reason: `record ${place}: ${error.message}`,
    original: message.value?.toString().slice(0, MAX_QUOTED) ?? null,
  };
  return envelop({ type: 'event.rejected.v1', data }, `rejected:record:${place}`, '/tagalong/bus');
}
