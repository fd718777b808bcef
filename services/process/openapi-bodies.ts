/**
 * Bodies as the OpenAPI document describes them. Readers check some conditions beside their schemas: which members go together,
 * and that a position has an owner. Here they are part of the schema.
 */
import type { TObject, TSchema } from 'typebox';
import Type from 'typebox';
import { AreaCrossed } from '../ingest/apis/camara.ts';
import { AnyCloudEvent } from '../ingest/apis/cloudevents.ts';
import { UserLocation, ZonalPresence } from '../ingest/apis/mec013.ts';
import { OwntracksLocation, OwntracksTransition } from '../ingest/apis/owntracks.ts';
import { locationBody } from '../ingest/body.ts';
import { MAX_POSITIONS_PER_REQUEST } from '../ingest/quotas.ts';

/** A schema with keywords that TypeBox has no words for. */
const where = (schema: TSchema, keywords: object): TSchema => ({ ...schema, ...keywords });
/** At least one of these members is there. */
const oneOf = (...names: readonly string[]) => ({ anyOf: names.map((name) => ({ required: [name] })) });

/** One body, or several in an array. */
export const many = (one: TSchema): TSchema =>
  Type.Union([one, Type.Array(one, { maxItems: MAX_POSITIONS_PER_REQUEST })]);

/** A position has one time, or none. */
export const location = (pseudonymous: boolean): TSchema =>
  where(locationBody(pseudonymous), { not: { required: ['atMs', 't'] } });

/** Members that have a default may be left out, at every depth. */
export function input(schema: TSchema): TSchema {
  const { properties, required } = schema as Partial<TObject>;
  if (properties === undefined) return schema;
  return where(schema, {
    required: required?.filter((name) => !('default' in (properties as Record<string, object>)[name]!)),
    properties: Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, input(one)])),
  });
}

const ofType = (type: TSchema) => Type.Interface([AnyCloudEvent], { type });
const OfSubscription = ofType(
  Type.String({ pattern: '^org\\.camaraproject\\.geofencing-subscriptions\\.v[0-9]+\\.subscription-[a-z]+$' }),
);
const Crossed = Type.Interface([AnyCloudEvent], AreaCrossed.properties);
/** Events of a geofencing subscription; those of the subscription itself are taken and change nothing. */
export const Geofencing = Type.Union([Crossed, OfSubscription]);
/** An event of ours, or of a geofencing subscription. */
export const cloudEvent = (pseudonymous: boolean): TSchema =>
  Type.Union([
    Type.Interface([AnyCloudEvent], { type: Type.Literal('location.reported.v1'), data: location(pseudonymous) }),
    Geofencing,
  ]);

/** Something says where. */
const PLACED = oneOf('locationInfo', 'accessPointId', 'zoneId');
const NotificationType = Type.Enum([
  'UserLocationEventNotification',
  'UserLocationPeriodicNotification',
  'ZoneLocationEventNotification',
]);
/** Notifications of version 2, in an object named after them, and of version 3. */
export const Mec013 = Type.Union([
  Type.Object({ zonalPresenceNotification: ZonalPresence }),
  Type.Object({ userInfo: where(UserLocation, PLACED) }),
  where(Type.Interface([UserLocation], { notificationType: NotificationType }), PLACED),
]);

const Tid = Type.String({ minLength: 1, maxLength: 256 });
const Topic = Type.String({ pattern: '^[^/]+/[^/]{1,256}/[^/]+$' });
const OF_SOMEBODY = { topic: Type.Optional(Topic), tid: Type.Optional(Tid) };
/** A position or a transition whose user is in the topic or the tracker id; other messages are taken and change nothing. */
export const Owntracks = Type.Union([
  where(Type.Interface([OwntracksLocation], OF_SOMEBODY), oneOf('topic', 'tid')),
  where(Type.Interface([OwntracksTransition], OF_SOMEBODY), oneOf('topic', 'tid')),
  Type.Object({
    _type: where(Type.String({ maxLength: 64 }), { not: { enum: ['location', 'transition', 'encrypted'] } }),
  }),
]);
