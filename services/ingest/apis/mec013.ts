/**
 * ETSI GS MEC 013, the Location API of a MEC platform: notifications that a user is in a zone, under an access point, or at a
 * position. Version 2 puts them into an object named after them; from version 3 on `notificationType` says what they are.
 */
import Type, { type TObject } from 'typebox';
import type { Presence } from '#shared/policy/state/presence.ts';
import { unfit } from '../body.ts';
import type { Places } from './places.ts';
import { checker, MAX_AT_S, type Reported } from './report.ts';

const Id = Type.String({ minLength: 1, maxLength: 256 });
/** Seconds and nanoseconds of Unix time. */
const TimeStamp = Type.Object({
  seconds: Type.Integer({ minimum: 0, maximum: MAX_AT_S }),
  nanoSeconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 999_999_999 })),
});
/** One coordinate. An area has several, and its centre counts. */
const Degrees = Type.Number({ minimum: -360, maximum: 360 });
const Coordinate = Type.Union([Type.Number(), Type.Array(Degrees, { minItems: 1, maxItems: 1000 })]);
const LocationInfo = Type.Object({ latitude: Coordinate, longitude: Coordinate, timestamp: Type.Optional(TimeStamp) });

/** `ZonalPresenceNotification` of version 2. */
export const ZonalPresence = Type.Object({
  address: Id,
  zoneId: Id,
  currentAccessPointId: Type.Optional(Id),
  userEventType: Type.Enum(['Entering', 'Leaving', 'Transferring']),
  timestamp: Type.Optional(TimeStamp),
});

/** `UserInfo`, and version 3's `UserLocationEventNotification`, `UserLocationPeriodicNotification` and `ZoneLocationEventNotification`. */
export const UserLocation = Type.Object({
  address: Id,
  zoneId: Type.Optional(Id),
  accessPointId: Type.Optional(Id),
  userLocationEvent: Type.Optional(Type.String({ maxLength: 128 })),
  locationInfo: Type.Optional(LocationInfo),
  timestamp: Type.Optional(TimeStamp),
  notificationType: Type.Optional(Type.String({ maxLength: 128 })),
});

const AREA_NAMES = { user: 'address', lat: 'locationInfo', lon: 'locationInfo', atMs: 'timestamp' };
const POSITION_NAMES = {
  user: 'address',
  lat: 'locationInfo.latitude',
  lon: 'locationInfo.longitude',
  atMs: 'locationInfo.timestamp',
};

/**
 * A zonal subscription notifies of entering, of each change of the access point, and of leaving (GS MEC 013 V2.2.1, ZonalPresenceNotification
 * and `userEventType`): between two of them the user is where the last one says.
 */
const ZONAL = { Entering: 'arrived', Transferring: 'arrived', Leaving: 'left' } as const;
/** Version 3's notification that comes at an interval; the events of its other notifications are named after entering and leaving. */
const PERIODIC = 'UserLocationPeriodicNotification';

function presenceOf(event: string | undefined): Presence | undefined {
  if (event?.startsWith('ENTERING')) return 'arrived';
  return event?.startsWith('LEAVING') ? 'left' : undefined;
}

const READERS: Record<string, (body: unknown, places: Places) => Reported[]> = {
  zonalPresenceNotification: reader(
    ZonalPresence,
    ({ address, zoneId, currentAccessPointId, userEventType, timestamp }, places) => [
      at(address, placeOf([currentAccessPointId, zoneId], places), ZONAL[userEventType], timestamp),
    ],
  ),
  userInfo: reader(
    UserLocation,
    ({ address, zoneId, accessPointId, userLocationEvent, locationInfo, timestamp, notificationType }, places) => {
      const position = locationInfo === undefined ? placeOf([accessPointId, zoneId], places) : middleOf(locationInfo);
      const presence = notificationType === PERIODIC ? 'periodic' : presenceOf(userLocationEvent);
      const names = locationInfo && POSITION_NAMES;
      return [at(address, position, presence, locationInfo?.timestamp ?? timestamp, names)];
    },
  ),
};

/** Version 3's names. */
const TYPES: Record<string, string> = {
  UserLocationEventNotification: 'userInfo',
  UserLocationPeriodicNotification: 'userInfo',
  ZoneLocationEventNotification: 'userInfo',
};

/**
 * Reads the positions of one notification. A user who leaves a zone was there last.
 * @throws TagalongError EVENT_INVALID; PLACE_UNKNOWN where neither access point nor zone is in `places`
 */
export function readMec013(body: unknown, places: Places): Reported[] {
  const said = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const { notificationType } = said;
  const [name, content] =
    typeof notificationType === 'string'
      ? [Object.hasOwn(TYPES, notificationType) ? TYPES[notificationType] : undefined, said]
      : [Object.keys(READERS).find((one) => Object.hasOwn(said, one)), undefined];
  if (name === undefined) {
    const right = [...Object.keys(READERS), ...Object.keys(TYPES)].join(', ');
    throw unfit(`the body holds no notification with a location; send one of ${right}`);
  }
  return READERS[name]!(content ?? said[name], places);
}

function reader<T extends TObject>(
  schema: T,
  read: (value: ReturnType<ReturnType<typeof checker<T>>>, places: Places) => Reported[],
) {
  const check = checker(schema);
  return (body: unknown, places: Places) => read(check(body), places);
}

function at(
  user: string,
  { lat, lon }: { lat: number; lon: number },
  presence: Presence | undefined,
  timestamp?: { seconds: number; nanoSeconds?: number },
  names = AREA_NAMES,
): Reported {
  const when = timestamp && { atMs: timestamp.seconds * 1000 + Math.floor((timestamp.nanoSeconds ?? 0) / 1e6) };
  return { position: { user, lat, lon, ...when, ...(presence && { presence }) }, where: '', names };
}

function placeOf(names: readonly (string | undefined)[], places: Places) {
  const given = names.filter((name) => name !== undefined);
  if (given.length === 0) throw unfit('locationInfo: is missing; send locationInfo, accessPointId or zoneId');
  return places.find(given);
}

function middleOf({ latitude, longitude }: { latitude: number | number[]; longitude: number | number[] }) {
  const mean = (value: number | number[]) => [value].flat().reduce((sum, one) => sum + one, 0) / [value].flat().length;
  return { lat: mean(latitude), lon: mean(longitude) };
}
