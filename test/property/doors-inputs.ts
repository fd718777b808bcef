/**
 * Inputs for each door, that is, for each way in from outside: HTTP, the bus, the store. They fit their schemas, and extreme values
 * are frequent. They concern the user mallory and her VM `bad` only.
 */
import fc from 'fast-check';
import { PbfWriter } from 'pbf';
import type { TSchema } from 'typebox';
import { AreaCrossed } from '#services/ingest/apis/camara.ts';
import { AnyCloudEvent } from '#services/ingest/apis/cloudevents.ts';
import { UserLocation, ZonalPresence } from '#services/ingest/apis/mec013.ts';
import { OwntracksLocation } from '#services/ingest/apis/owntracks.ts';
import { interruptionBody, locationBody, SessionBody, VmBody } from '#services/ingest/body.ts';
import { STORE_KINDS } from '#services/process/records.ts';
import { EVENT_TYPES, type Fact, SCHEMAS } from '#shared/events/index.ts';
import { partitionOf } from '#shared/events/partition.ts';
import { extremes, ODD_TEXTS } from './extremes.ts';

/** A request over HTTP. */
export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
}

/** The number of partitions of each bus in these tests. */
export const PARTITIONS = 4;

export const valuesOf = (schema: TSchema, most?: number) => extremes(JSON.parse(JSON.stringify(schema)), most);
const body = (method: string, path: string, schema: TSchema, fixed: object = {}): fc.Arbitrary<HttpRequest> =>
  valuesOf(schema).map((value) => ({ method, path, body: { ...(value as object), ...fixed } }));
const listed = (...list: readonly [string, string, unknown?][]): fc.Arbitrary<HttpRequest> =>
  fc.constantFrom(...list.map(([method, path, body]) => ({ method, path, body })));

/** A feed of vehicle positions (gtfs-realtime.proto) with any numbers; some feeds are cut off or end in noise. */
const gtfs = fc
  .record({
    lat: fc.float(),
    lon: fc.float(),
    atS: fc.oneof(fc.constantFrom(0, 1, 2 ** 31, 2 ** 53), fc.nat()),
    id: fc.constantFrom('mallory', ...ODD_TEXTS),
    cut: fc.oneof(fc.constant(0), fc.nat(40)),
    noise: fc.uint8Array({ maxLength: 8 }),
  })
  .map(({ lat, lon, atS, id, cut, noise }): HttpRequest => {
    const pbf = new PbfWriter();
    pbf.writeMessage(1, (_: undefined, header) => header.writeStringField(1, '2.0'), undefined);
    const position = (_: undefined, at: PbfWriter) => {
      at.writeFloatField(1, lat);
      at.writeFloatField(2, lon);
    };
    const vehicle = (_: undefined, of: PbfWriter) => {
      of.writeMessage(2, position, undefined);
      of.writeVarintField(5, atS);
      of.writeMessage(8, (_: undefined, name: PbfWriter) => name.writeStringField(1, id), undefined);
    };
    const entity = (_: undefined, of: PbfWriter) => {
      of.writeStringField(1, 'entity');
      of.writeMessage(4, vehicle, undefined);
    };
    pbf.writeMessage(2, entity, undefined);
    const bytes = pbf.finish();
    const sent = new Uint8Array([...bytes.subarray(0, bytes.length - cut), ...(cut > 0 ? noise : [])]);
    return { method: 'POST', path: '/v1/gtfs-realtime', body: sent, contentType: 'application/x-protobuf' };
  });

/** A body with a million elements, for each path that accepts lists. */
const endless = fc
  .constantFrom('/v1/locations', '/v1/interruptions', '/v1/owntracks', '/v1/cloudevents', '/v1/mec013')
  .map((path): HttpRequest => ({ method: 'POST', path, body: Array.from({ length: 1e6 }, () => 0) }));

/** Requests to all paths that change something. */
export const requests: fc.Arbitrary<HttpRequest> = fc.oneof(
  body('PUT', '/v1/vms/bad', VmBody, { home: 'west' }),
  body('PUT', '/v1/vms/bad', VmBody, { home: 'west', affinity: { allowed: ['west'], avoided: ['west'] } }),
  body('PUT', '/v1/vms/bad/sessions/mallory', SessionBody),
  body('POST', '/v1/locations', locationBody(false), { user: 'mallory' }),
  body('POST', '/v1/locations', locationBody(false), { user: 'mallory', lat: 42, lon: -71, atMs: undefined }),
  body('POST', '/v1/interruptions', interruptionBody(false), { vm: 'bad', user: 'mallory' }),
  body('POST', '/v1/owntracks', OwntracksLocation, { tid: 'mallory' }),
  valuesOf(ZonalPresence).map((one) => ({
    method: 'POST',
    path: '/v1/mec013',
    body: { zonalPresenceNotification: one },
  })),
  body('POST', '/v1/mec013', UserLocation, { address: 'mallory', notificationType: 'UserLocationEventNotification' }),
  body('POST', '/v1/camara/geofencing', AreaCrossed),
  body('POST', '/v1/cloudevents', AnyCloudEvent, { type: 'location.reported.v1' }),
  gtfs,
  endless,
  listed(
    ...['constructor', '__proto__', 'toString'].map(
      (notificationType) => ['POST', '/v1/mec013', { notificationType }] as [string, string, unknown],
    ),
    ['POST', '/v1/vms/bad/moves', { to: 'east' }],
    ['POST', '/v1/vms/bad/moves', { to: 'west' }],
    ['POST', '/v1/sites/__proto__/drain', { draining: true }],
    ['POST', '/v1/sites/north/drain', { draining: true, confirm: 'north' }],
    ['POST', '/v1/sites/north/drain', { draining: false }],
    ['PUT', '/v1/automation', { paused: true }],
    ['PUT', '/v1/automation', { paused: false }],
    ['DELETE', '/v1/vms/bad'],
    ['DELETE', '/v1/vms/bad/sessions/mallory'],
    ['DELETE', '/v1/sites/__proto__'],
  ),
);

/** Facts that fit their schema, about mallory's VM or about a site that does not exist. */
export const facts: fc.Arbitrary<Fact> = fc.constantFrom(...EVENT_TYPES).chain((type) =>
  valuesOf(SCHEMAS[type] as TSchema).map((data) => {
    // Counts of stays are about a partition.
    const about = 'site' in (data as object) ? { site: 'elsewhere' } : 'vm' in (data as object) ? { vm: 'bad' } : {};
    return { type, data: { ...(data as object), ...about } } as Fact;
  }),
);

/** A record that another program may have written. */
export interface ForeignRecord {
  readonly key: string;
  readonly value: unknown;
}

const NAMES: Readonly<Record<string, string>> = {
  ...{
    VM: 'bad',
    partition: `${partitionOf('bad', PARTITIONS)}`,
    site: 'elsewhere',
    'pair of sites': 'elsewhere~west',
  },
  ...{ pseudonym: 'mallory', 'id of the event.rejected': 'drawn' },
};
/** Kinds of record with an outbox beside the value. */
const WITH_OUTBOX = new Set(['vm', 'migration']);
const keyOf = (pattern: string) => pattern.replace(/<([^>]+)>/g, (_, what: string) => NAMES[what] ?? what);

/** Records that fit the schema of their kind, with a valid or an invalid version, and arbitrary JSON. */
export const records: fc.Arbitrary<ForeignRecord> = fc
  .constantFrom(...STORE_KINDS.filter(({ kind }) => kind !== 'installation'))
  .chain(({ kind, keys, schema, version }) => {
    const key = fc.constantFrom(...keys.split(', ').map(keyOf));
    const fitting = fc
      .record({
        value: valuesOf(schema),
        v: fc.constantFrom(version, version, version, 0, version + 1, -1, '1', null),
        outbox: fc.oneof(fc.constant([]), fc.array(fc.jsonValue(), { maxLength: 2 }), fc.jsonValue()),
      })
      .map(({ value, v, outbox }) => (WITH_OUTBOX.has(kind) ? { v, value, outbox } : { v, ...(value as object) }));
    return fc.record({ key, value: fc.oneof(fitting, fc.jsonValue()) });
  });
