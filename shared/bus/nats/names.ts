/**
 * The names on the server. Subjects are `PREFIX.PARTITION.TYPE.KEY`; a type's dots divide it into tokens, a
 * key is one token, so that a consumer can ask for a partition, a type or a key.
 */
import { type Event, type EventType, partitionOf } from '../../events/index.ts';
import { escapeToken, unescapeToken } from '../../nats/tokens.ts';
import { AUDIT_TYPE } from '../audited.ts';

/** The key in a subject; undefined if it has none: a foreign message may have a type and no key. */
export function keyOfSubject(subject: string): string | undefined {
  const [, , , , , token, ...more] = subject.split('.');
  return token === undefined || more.length > 0 ? undefined : unescapeToken(token);
}

/** The names that an installation with a prefix uses. */
export interface Names {
  /** The stream of events. */
  readonly events: string;
  /** The bucket of the committed offsets, with the owner of each partition of each group. */
  readonly places: string;
  /** The bucket of the members that are alive. */
  readonly members: string;
  /** The stream of the audit, and its only subject. */
  readonly audit: string;
  readonly auditSubject: string;
  subject(event: Event): string;
  /** All subjects of events. */
  readonly all: string;
  /** The subject of all events of a partition, or of one type of them. */
  filter(partition: number, type?: EventType): string;
  /** The subject of all events of one type. */
  ofType(type: EventType): string;
}

/** @param prefix letters, digits, `_` and `-` */
export function namesOf(prefix: string, partitions: number): Names {
  const auditSubject = `${prefix}_audit.${AUDIT_TYPE}`;
  return {
    events: `${prefix}_events`,
    places: `${prefix}_places`,
    members: `${prefix}_members`,
    audit: `${prefix}_audit`,
    auditSubject,
    subject: ({ type, partitionkey }) =>
      type === AUDIT_TYPE
        ? auditSubject
        : `${prefix}.${partitionOf(partitionkey, partitions)}.${type}.${escapeToken(partitionkey)}`,
    all: `${prefix}.>`,
    filter: (partition, type) => `${prefix}.${partition}.${type === undefined ? '>' : `${type}.*`}`,
    ofType: (type) => `${prefix}.*.${type}.*`,
  };
}

/** The name of one consumer of a partition. @param unique makes it a name that no other consumer ever has */
export function consumerName(group: string, partition: number, unique: string): string {
  return `${escapeToken(group)}~${partition}~${unique}`;
}

/** The group and partition of a consumer, by its name; undefined for a foreign consumer. */
export function ownerOf(consumer: string): { readonly group: string; readonly partition: number } | undefined {
  const [token = '', partition = '', unique] = consumer.split('~');
  const group = unescapeToken(token);
  if (group === undefined || unique === undefined || !/^\d+$/.test(partition)) return undefined;
  return { group, partition: Number(partition) };
}
