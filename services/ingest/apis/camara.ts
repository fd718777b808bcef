/**
 * CAMARA geofencing subscriptions (camaraproject/DeviceLocation, geofencing-subscriptions v0.4): an operator's network reports
 * that a device entered or left an area. The events are CloudEvents.
 */
import Type, { type Static } from 'typebox';
import { checker, DateTime, msOf, type Reported } from './report.ts';

const Device = Type.Object({
  phoneNumber: Type.Optional(Type.String({ pattern: '^\\+[1-9][0-9]{4,14}$' })),
  networkAccessIdentifier: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  ipv4Address: Type.Optional(
    Type.Object({
      publicAddress: Type.String({ minLength: 1, maxLength: 64 }),
      publicPort: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535 })),
    }),
  ),
  ipv6Address: Type.Optional(Type.String({ minLength: 2, maxLength: 64 })),
});

/** An `area-entered` or `area-left` event. */
export const AreaCrossed = Type.Object({
  specversion: Type.Literal('1.0'),
  type: Type.String({
    maxLength: 128,
    pattern: '^org\\.camaraproject\\.geofencing-subscriptions\\.v[0-9]+\\.area-(entered|left)$',
  }),
  time: DateTime,
  data: Type.Object({
    subscriptionId: Type.String({ minLength: 1, maxLength: 256 }),
    device: Type.Optional(Device),
    area: Type.Object({
      areaType: Type.Literal('CIRCLE'),
      center: Type.Object({ latitude: Type.Number(), longitude: Type.Number() }),
    }),
  }),
});

const EVENT = /^org\.camaraproject\.geofencing-subscriptions\.v\d+\./;
const check = checker(AreaCrossed);

const OF_DEVICE = {
  user: 'data.device',
  lat: 'data.area.center.latitude',
  lon: 'data.area.center.longitude',
  atMs: 'time',
};
const OF_SUBSCRIPTION = { ...OF_DEVICE, user: 'data.subscriptionId' };

/** True for every event of a geofencing subscription. */
export const isGeofencing = (type: string) => EVENT.test(type);

/**
 * Reads an event. A device that entered an area counts as at its centre until the network says that it left: a subscriber is told of
 * each change of the geofencing state (the API's introduction). A device that left was there last. All other events
 * (`subscription-ended`, …) carry no position. The user is `tel:` and the phone number, the network access identifier or the address of
 * the device; the subscription's id where the event names no device.
 * @throws TagalongError EVENT_INVALID
 */
export function readGeofencing(event: { readonly type: string }, where = ''): Reported[] {
  const presence = event.type.endsWith('.area-entered') ? 'arrived' : 'left';
  if (presence === 'left' && !event.type.endsWith('.area-left')) return [];
  const { time, data } = check(event, where);
  const { latitude, longitude } = data.area.center;
  const position = {
    user: userOf(data),
    lat: latitude,
    lon: longitude,
    atMs: msOf(time, `${where}time`),
    presence,
  } as const;
  return [{ position, where, names: data.device === undefined ? OF_SUBSCRIPTION : OF_DEVICE }];
}

function userOf({ device = {}, subscriptionId }: Static<typeof AreaCrossed>['data']): string {
  const { phoneNumber, networkAccessIdentifier, ipv4Address, ipv6Address } = device;
  if (phoneNumber !== undefined) return `tel:${phoneNumber}`;
  if (ipv4Address === undefined) return networkAccessIdentifier ?? ipv6Address ?? subscriptionId;
  const { publicAddress, publicPort } = ipv4Address;
  return networkAccessIdentifier ?? (publicPort === undefined ? publicAddress : `${publicAddress}:${publicPort}`);
}
