/**
 * What things are called on the server. Subjects are `PREFIX.PARTITION.TYPE.KEY`; a type's dots divide it into tokens, a
 * key is one token, so that a consumer can ask for a partition, a type or a key.
 */
import { type Event, type EventType, partitionOf } from '../../events/index.ts';

/** Characters that subjects, consumer names and keys of NATS KV take alike. */
const UNSAFE = /[^A-Za-z0-9_-]/gu;
const encoder = new TextEncoder();

/** A text as one token of a subject: what may not stand there becomes `=` and two hexadecimal digits a byte of UTF-8. */
export function escapeToken(text: string): string {
  if (text === '') return '=';
  return text.replace(UNSAFE, (char) =>
    [...encoder.encode(char)].map((byte) => `=${byte.toString(16).padStart(2, '0').toUpperCase()}`).join(''),
  );
}

/** The text that `escapeToken` made a token of; undefined where it made none like it. */
export function unescapeToken(token: string): string | undefined {
  if (token === '=') return '';
  try {
    const text = decodeURIComponent(token.replaceAll('=', '%'));
    return escapeToken(text) === token ? text : undefined;
  } catch {
    return undefined;
  }
}

/** The key that a subject names; undefined where it names none: what others put there may have a type and no key. */
export function keyOfSubject(subject: string): string | undefined {
  const [, , , , , token, ...more] = subject.split('.');
  return token === undefined || more.length > 0 ? undefined : unescapeToken(token);
}

/** The names that an installation with a prefix uses. */
export interface Names {
  /** The stream of events. */
  readonly events: string;
  /** The bucket that says who owns each partition of each group, and how far it has come. */
  readonly places: string;
  /** The bucket of the members that are alive. */
  readonly members: string;
  subject(event: Event): string;
  /** All subjects of events. */
  readonly all: string;
  /** The subject of all events of a partition, or of one type of them. */
  filter(partition: number, type?: EventType): string;
}

/** @param prefix letters, digits, `_` and `-` */
export function namesOf(prefix: string, partitions: number): Names {
  return {
    events: `${prefix}_events`,
    places: `${prefix}_places`,
    members: `${prefix}_members`,
    subject: ({ type, partitionkey }) =>
      `${prefix}.${partitionOf(partitionkey, partitions)}.${type}.${escapeToken(partitionkey)}`,
    all: `${prefix}.>`,
    filter: (partition, type) => `${prefix}.${partition}.${type === undefined ? '>' : `${type}.*`}`,
  };
}

/** The name of one consumer of a partition: none is used twice, so that nobody takes the place of another. */
export function consumerName(group: string, partition: number, unique: string): string {
  return `${escapeToken(group)}~${partition}~${unique}`;
}

/** Whose consumer it is; undefined for one that is not ours. */
export function ownerOf(consumer: string): { readonly group: string; readonly partition: number } | undefined {
  const [token = '', partition = '', unique] = consumer.split('~');
  const group = unescapeToken(token);
  if (group === undefined || unique === undefined || !/^\d+$/.test(partition)) return undefined;
  return { group, partition: Number(partition) };
}
