/**
 * Facts in CloudEvents 1.0 envelopes, structured JSON mode (cloudevents.io, specification 1.0.2). This file does not use the CloudEvents
 * SDK, which takes twenty times as long an event: Tagalong needs one kind of envelope only.
 */
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { TagalongError } from '../errors.ts';
import { type Data, EVENT_TYPES, type EventType, type Fact, SCHEMAS } from './types.ts';

/** A CloudEvent on the bus. Its extension `partitionkey` decides the partition: it is the VM, or the site for events about a site. */
export interface Envelope<T extends EventType = EventType> {
  readonly specversion: '1.0';
  readonly id: string;
  /** The publishing service, as a URI reference: `/tagalong/<service>`. */
  readonly source: string;
  readonly type: T;
  readonly subject: string;
  /** RFC 3339; the same instant as `data.atMs`. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly partitionkey: string;
  /** The trace of the event (W3C): that of the move, or for a position that of its sender. */
  readonly traceparent?: string;
  /** The `traceparent` of the position that led to the move, if its sender gave one. */
  readonly causedby?: string;
  readonly data: Data<T>;
}

/** The longest id, source or key. An id contains up to three names; the id of a dead letter contains that of the refused event. */
const MAX_ATTRIBUTE = 2048;

/** An envelope of any type. `type` discriminates the union. */
export type Event = { [T in EventType]: Envelope<T> }[EventType];

const validators = Object.fromEntries(
  EVENT_TYPES.map((type) => [type, Compile(SCHEMAS[type] as TSchema)]),
) as unknown as Record<EventType, Validator>;

/**
 * The partition key of a fact: its VM, or its site for events about a site, or the user or the partition that it is about; one key for
 * the whole audit. Events with the same key keep their order.
 */
export function keyOf(fact: Fact): string {
  const { data } = fact;
  if ('site' in data) return data.site;
  if ('vm' in data) return data.vm;
  if ('user' in data) return data.user;
  return 'partition' in data ? `partition-${data.partition}` : 'audit';
}

/**
 * Puts a fact into its envelope.
 * @param id the same each time that the fact is computed: a bus recognises repeats by it
 */
export function envelop(
  fact: Fact,
  id: string,
  source: string,
  context?: Pick<Envelope, 'traceparent' | 'causedby'>,
): Event {
  const key = keyOf(fact);
  return {
    specversion: '1.0',
    id,
    source,
    type: fact.type,
    subject: key,
    // biome-ignore lint/style/noRestrictedGlobals: formats a time that is given, and reads no clock
    time: new Date(fact.data.atMs).toISOString(),
    datacontenttype: 'application/json',
    partitionkey: key,
    ...context,
    data: fact.data,
  } as Event;
}

/** The first fault of a payload, as `field: what would be right`; undefined if it fits its schema. */
export function faultIn(type: EventType, data: unknown): string | undefined {
  const validator = validators[type];
  if (validator.Check(data)) return undefined;
  return describeFault(validator, data);
}

/** Describes the first error that a TypeBox validator finds. */
export function describeFault(validator: Validator, value: unknown): string {
  const errors = [...validator.Errors(value)];
  // The validator also reports "must not have additional properties" for an unknown key; this picks the error that has the key's name.
  const error = errors.find((e) => e.keyword !== 'boolean') ?? errors[0];
  if (error === undefined) return 'does not fit its schema';
  const where = error.instancePath.replace(/^\//, '').replaceAll('/', '.');
  const params = error.params as { additionalProperties?: string[]; requiredProperties?: string[] };
  if (params.additionalProperties)
    return `${[where, params.additionalProperties[0]].filter(Boolean).join('.')}: unknown key`;
  if (params.requiredProperties)
    return `${[where, params.requiredProperties[0]].filter(Boolean).join('.')}: is missing`;
  return `${where || 'value'}: ${error.message}`;
}

/** Serialises an event for the wire. */
export function encode(event: Event): string {
  return JSON.stringify(event);
}

/**
 * Parses an event from the wire and checks it.
 * @throws TagalongError EVENT_INVALID, which names the wrong field
 */
export function decode(text: string): Event {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TagalongError('EVENT_INVALID', `the event is not JSON (${(cause as Error).message})`, { cause });
  }
  return check(value);
}

/**
 * Checks that a value is an event of a known type.
 * @throws TagalongError EVENT_INVALID
 */
export function check(value: unknown): Event {
  if (typeof value !== 'object' || value === null) {
    throw new TagalongError(
      'EVENT_INVALID',
      'the event is no JSON object; publish a CloudEvent 1.0 in structured mode',
    );
  }
  const event = value as Event;
  if (event.specversion !== '1.0') throw new TagalongError('EVENT_INVALID', 'specversion: must be "1.0"');
  for (const key of ['id', 'source', 'partitionkey'] as const) {
    if (typeof event[key] !== 'string' || event[key] === '') {
      throw new TagalongError('EVENT_INVALID', `${key}: must be a non-empty string`);
    }
    if (event[key].length > MAX_ATTRIBUTE) {
      throw new TagalongError('EVENT_INVALID', `${key}: must not have more than ${MAX_ATTRIBUTE} characters`);
    }
  }
  if (!Object.hasOwn(validators, event.type)) {
    throw new TagalongError(
      'EVENT_INVALID',
      `type: "${event.type}" is not known; publish one of ${EVENT_TYPES.join(', ')}`,
    );
  }
  const fault = faultIn(event.type, event.data);
  if (fault !== undefined) throw new TagalongError('EVENT_INVALID', `${event.type} data.${fault}`);
  if (event.partitionkey !== keyOf(event)) {
    // Otherwise a client that may publish for one VM could publish data about another VM.
    throw new TagalongError('EVENT_INVALID', 'partitionkey: must be the VM of the data, or its site');
  }
  return event;
}
