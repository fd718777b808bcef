/**
 * The AsyncAPI 3.0 document of the bus. It is generated from the schemas with which the code checks events, so it always agrees with
 * the code.
 */
import { EVENT_TYPES, type EventType, SCHEMAS } from './types.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Service = 'ingest' | 'placement' | 'migrator' | 'agent' | 'monitor' | 'dashboard';

interface Described {
  readonly title: string;
  readonly summary: string;
  readonly senders: readonly Service[];
  readonly receivers: readonly Service[];
}

const OBSERVERS = ['monitor', 'dashboard'] as const;

/** The meaning of each event, the services that publish it, and those that receive it. The schemas do not contain these. */
const EVENTS: Record<EventType, Described> = {
  'location.reported.v1': {
    title: 'Location reported',
    summary: 'A user is at a position. Published once for each VM to which the user is attached.',
    senders: ['ingest'],
    receivers: ['placement', 'dashboard'],
  },
  'interruption.reported.v1': {
    title: 'Interruption reported',
    summary:
      'A client measured a gap in its traffic with a VM, or lost connections to it. Published when the gap is over.',
    senders: ['ingest'],
    receivers: ['migrator', ...OBSERVERS],
  },
  'session.attached.v1': {
    title: 'Session attached',
    summary: 'A user begins to use a VM. The weight compares the user with the other users of the VM.',
    senders: ['ingest'],
    receivers: ['placement', ...OBSERVERS],
  },
  'session.detached.v1': {
    title: 'Session detached',
    summary: 'A user no longer uses a VM.',
    senders: ['ingest'],
    receivers: ['placement', ...OBSERVERS],
  },
  'user.erased.v1': {
    title: 'User erased',
    summary: 'An admin has everything about a user erased. Its sessions have ended. Each receiver forgets the user.',
    senders: ['ingest'],
    receivers: ['placement', 'dashboard'],
  },
  'vm.declared.v1': {
    title: 'VM declared',
    summary: 'Tagalong manages a VM from now on. The VM runs at its home site.',
    senders: ['ingest'],
    receivers: ['placement', 'agent', ...OBSERVERS],
  },
  'vm.retired.v1': {
    title: 'VM retired',
    summary: 'Tagalong no longer manages a VM.',
    senders: ['ingest'],
    receivers: ['placement', 'agent', ...OBSERVERS],
  },
  'site.reported.v1': {
    title: 'Site reported',
    summary: 'The heartbeat of a site: its capacity, its VMs, its uplinks, and whether it is draining.',
    senders: ['agent'],
    receivers: ['placement', 'migrator', ...OBSERVERS],
  },
  'site.removed.v1': {
    title: 'Site removed',
    summary: 'A site was removed: no VM moves there. A later heartbeat adds the site again.',
    senders: ['agent'],
    receivers: ['placement', 'migrator', 'monitor', 'dashboard'],
  },
  'placement.decided.v1': {
    title: 'Placement decided',
    summary: 'A verdict on a VM: move, stay or cancel, with its reasons.',
    senders: ['placement'],
    receivers: ['migrator', ...OBSERVERS],
  },
  'migration.accepted.v1': {
    title: 'Migration accepted',
    summary: 'The migrator has accepted a decision. The migration waits until the limits allow it to start.',
    senders: ['migrator'],
    receivers: ['placement', ...OBSERVERS],
  },
  'migration.started.v1': {
    title: 'Migration started',
    summary: 'The first phase of a migration begins, over the named paths.',
    senders: ['migrator'],
    receivers: OBSERVERS,
  },
  'migration.progressed.v1': {
    title: 'Migration progressed',
    summary: 'The progress of a migration: phase, round, sent and remaining bytes, rate, subflows.',
    senders: ['migrator'],
    receivers: OBSERVERS,
  },
  'migration.switched.v1': {
    title: 'Migration switched',
    summary: 'The VM runs at the destination from now on. Only another migration can move it back.',
    senders: ['migrator'],
    receivers: ['placement', ...OBSERVERS],
  },
  'migration.completed.v1': {
    title: 'Migration completed',
    summary: 'A migration has completed, with its measured costs. Terminal.',
    senders: ['migrator'],
    receivers: ['placement', ...OBSERVERS],
  },
  'migration.failed.v1': {
    title: 'Migration failed',
    summary: 'A migration has failed: the error, and the site where the VM runs. Terminal.',
    senders: ['migrator'],
    receivers: ['placement', ...OBSERVERS],
  },
  'migration.cancelled.v1': {
    title: 'Migration cancelled',
    summary: 'A migration was cancelled before the switch-over, and by whom. The VM stays at its source. Terminal.',
    senders: ['migrator'],
    receivers: ['placement', ...OBSERVERS],
  },
  'stays.counted.v1': {
    title: 'Stays counted',
    summary:
      'How long users stayed at sites: what the VMs of one partition showed in one period. Names no user. From it each placement forecasts stays.',
    senders: ['placement'],
    receivers: ['placement', 'monitor'],
  },
  'request.audited.v1': {
    title: 'Request audited',
    summary:
      'The audit: an order of a caller, or a refused request. It is kept apart from all other events, and no group receives it; admins read it over HTTP.',
    senders: ['ingest', 'placement', 'migrator', ...OBSERVERS],
    receivers: ['monitor'],
  },
  'event.rejected.v1': {
    title: 'Event rejected',
    summary: 'A dead letter: an event that a consumer refused at every attempt, with the reason.',
    senders: ['placement', 'migrator', 'agent', ...OBSERVERS],
    receivers: OBSERVERS,
  },
};

/** The whole document, as plain JSON. */
export function asyncApi(): Json {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Tagalong',
      version: '1.0.0',
      description:
        'Events of a system that moves virtual machines to the people who use them. Every event is a CloudEvent 1.0 in ' +
        'structured JSON mode. The partition key is the VM, or the site for events about a site. All events with the same ' +
        'key are on one partition; they are delivered in the order in which they were published, at least once. Two ' +
        'events with the same id are the same event. A type ends in its version.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/cloudevents+json',
    channels: byType(channel),
    operations: operations(),
    components: {
      messages: byType(message),
      schemas: { CloudEvent: ENVELOPE, ...byType((type) => plain(SCHEMAS[type])) },
      parameters: {
        partition: {
          description:
            'FNV-1a (32 bits) of the part of the partition key before the first `::`, or of all of it, modulo the number of ' +
            'partitions. An installation never changes that number.',
          examples: ['0', '15'],
        },
      },
    },
  };
}

const ENVELOPE: Json = {
  type: 'object',
  description: 'CloudEvents 1.0.2, structured JSON mode, with the partitioning extension.',
  required: ['specversion', 'id', 'source', 'type', 'subject', 'time', 'datacontenttype', 'partitionkey', 'data'],
  properties: {
    specversion: { const: '1.0' },
    id: { type: 'string', minLength: 1, description: 'The same each time that the same fact is published.' },
    source: { type: 'string', minLength: 1, format: 'uri-reference', description: '/tagalong/<service>' },
    type: { enum: EVENT_TYPES },
    subject: { type: 'string', minLength: 1, description: 'The VM, or the site for events about a site.' },
    time: { type: 'string', format: 'date-time', description: 'The same instant as data.atMs.' },
    datacontenttype: { const: 'application/json' },
    partitionkey: { type: 'string', minLength: 1, description: 'The key of the partition. It equals subject.' },
    traceparent: { type: 'string', description: 'The trace of the event, as in W3C Trace Context.' },
    causedby: { type: 'string', description: 'The traceparent of the position that led to the move.' },
    data: { type: 'object' },
  },
};

function channel(type: EventType): Json {
  const { title, summary } = EVENTS[type];
  const isAudit = type === 'request.audited.v1';
  return {
    address: isAudit ? `tagalong_audit.${type}` : `tagalong.{partition}.${type}`,
    title,
    summary,
    messages: { event: { $ref: `#/components/messages/${type}` } },
    ...(!isAudit && { parameters: { partition: { $ref: '#/components/parameters/partition' } } }),
  };
}

function message(type: EventType): Json {
  const { title, summary } = EVENTS[type];
  return {
    name: type,
    title,
    summary,
    contentType: 'application/cloudevents+json',
    payload: {
      allOf: [
        { $ref: '#/components/schemas/CloudEvent' },
        { properties: { type: { const: type }, data: { $ref: `#/components/schemas/${type}` } } },
      ],
    },
  };
}

function operations(): { [id: string]: Json } {
  const operation = (service: Service, action: 'send' | 'receive', type: EventType): [string, Json] => [
    `${service}.${action}s.${type}`,
    {
      action,
      channel: { $ref: `#/channels/${type}` },
      summary: EVENTS[type].summary,
      tags: [{ name: service }],
      messages: [{ $ref: `#/channels/${type}/messages/event` }],
    },
  ];
  return Object.fromEntries(
    EVENT_TYPES.flatMap((type) => [
      ...EVENTS[type].senders.map((service) => operation(service, 'send', type)),
      ...EVENTS[type].receivers.map((service) => operation(service, 'receive', type)),
    ]),
  );
}

function byType(make: (type: EventType) => Json): { [type: string]: Json } {
  return Object.fromEntries(EVENT_TYPES.map((type) => [type, make(type)]));
}

/** A TypeBox schema without the hidden keys of TypeBox. */
function plain(schema: object): Json {
  return JSON.parse(JSON.stringify(schema));
}
