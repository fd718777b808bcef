/**
 * Ingest accepts the location APIs of others. The bodies follow their standards, and use the values of the standards' examples
 * if there are any (CAMARA geofencing-subscriptions v0.4, ETSI GS MEC 013 V2.2.1, OwnTracks' booklet).
 */
import { describe, expect, test } from 'vitest';
import { data, expectFault, fullSpec, here, NOW_MS, ownIngest, published, start } from './ingest-world.ts';

ownIngest();

const AT_MS = NOW_MS - 20_000;
const AT_S = AT_MS / 1000;

/** Starts ingest with a VM and its users. `reported` returns the published positions so far. */
async function world(yaml: string, ...users: string[]) {
  const { ingest, ask } = await start(yaml);
  await ingest.declareVm('v1', 'east', fullSpec);
  for (const user of users) await ingest.attach('v1', user, 1);
  return { ask, reported: async () => data(await published('location.reported.v1')) };
}

const TOO_LONG = 'x'.repeat(300);

describe('OwnTracks over HTTP', () => {
  const message = {
    _type: 'location',
    tid: 'ne',
    lat: 48.85833,
    lon: 2.29513,
    tst: AT_S,
    acc: 10,
    batt: 87,
    conn: 'w',
    vel: 4,
  };

  test.each<[string, string, object]>([
    ['the query', '/v1/owntracks?u=jane&d=phone', message],
    ['the topic', '/v1/owntracks', { ...message, topic: 'owntracks/jane/phone' }],
  ])('takes the user of a location from %s, and answers the app with an empty list', async (_, path, body) => {
    const { ask, reported } = await world('', 'jane');
    expect(await ask('POST', path, body)).toEqual({ status: 200, body: [] });
    expect(await reported()).toEqual([{ vm: 'v1', user: 'jane', atMs: AT_MS, lat: 48.85833, lon: 2.29513 }]);
  });

  test('takes the tracker id for the user if no user is given', async () => {
    const { ask, reported } = await world('', 'ne');
    expect((await ask('POST', '/v1/owntracks', message)).status).toBe(200);
    expect(await reported()).toMatchObject([{ user: 'ne' }]);
  });

  test('accepts other messages without effect, and refuses unreadable ones', async () => {
    const { ask, reported } = await world('', 'jane');
    const waypoint = { _type: 'waypoint', desc: 'home', lat: 1, lon: 2, tst: AT_S };
    expect(await ask('POST', '/v1/owntracks?u=jane', waypoint)).toEqual({ status: 200, body: [] });
    for (const wrong of [
      { ...message, tst: undefined },
      { ...message, lat: 'north' },
      { _type: 'encrypted', data: 'x' },
      7,
    ]) {
      const { status, body } = await ask('POST', '/v1/owntracks?u=jane', wrong);
      expect({ status, code: body.error.code }).toEqual({ status: 400, code: 'EVENT_INVALID' });
    }
    expect(await reported()).toEqual([]);
  });
});

test.each<[string, string, object]>([
  ['topic', '/v1/owntracks', { topic: `owntracks/${TOO_LONG}/phone` }],
  ['tid', '/v1/owntracks', { tid: TOO_LONG }],
  ['user name (X-Limit-U, ?u= or basic authentication)', `/v1/owntracks?u=${TOO_LONG}`, {}],
  ['lat', '/v1/owntracks?u=jane', { lat: 'north' }],
  ['tst', '/v1/owntracks?u=jane', { tst: -1 }],
])('an error about a message of OwnTracks names %s as the app sent it', async (field, path, wrong) => {
  const { ask } = await world('', 'jane');
  const message = { _type: 'location', lat: 1, lon: 2, tst: AT_S, ...wrong };
  expectFault(await ask('POST', path, message), field);
});

describe('CAMARA geofencing', () => {
  const event = (type: string, device?: object) => ({
    id: '123655',
    source: 'https://notificationSendServer12.supertelco.com',
    type: `org.camaraproject.geofencing-subscriptions.v0.${type}`,
    specversion: '1.0',
    datacontenttype: 'application/json',
    time: new Date(AT_MS).toISOString(),
    data: {
      subscriptionId: 'qs15-h556-rt89-1298',
      ...(device && { device }),
      area: { areaType: 'CIRCLE', center: { latitude: 50.735851, longitude: 7.10066 }, radius: 50_000 },
    },
  });
  const type = 'application/cloudevents+json';

  test.each<[string, object | undefined, string]>([
    ['a phone number', { phoneNumber: '+123456789' }, 'tel:+123456789'],
    ['a network access identifier', { networkAccessIdentifier: '123456789@domain.com' }, '123456789@domain.com'],
    [
      'an address and port',
      { ipv4Address: { publicAddress: '84.125.93.10', publicPort: 59_765 } },
      '84.125.93.10:59765',
    ],
    [
      'an IPv6 address',
      { ipv6Address: '2001:db8:85a3:8d3:1319:8a2e:370:7344' },
      '2001:db8:85a3:8d3:1319:8a2e:370:7344',
    ],
    ['no device', undefined, 'qs15-h556-rt89-1298'],
  ])('a device that enters an area gets the position of the centre; its user is %s', async (_, device, user) => {
    const { ask, reported } = await world('', user);
    expect(await ask('POST', '/v1/camara/geofencing', event('area-entered', device), type)).toEqual({
      status: 204,
      body: undefined,
    });
    const position = { lat: 50.735851, lon: 7.10066, presence: 'arrived' };
    expect(await reported()).toEqual([{ vm: 'v1', user, atMs: AT_MS, ...position }]);
  });

  test('an error names the field of the event, also in a batch', async () => {
    const { ask } = await world('');
    const post = (body: object) => ask('POST', '/v1/camara/geofencing', body, type);
    const named = event('area-entered', { ipv4Address: { publicAddress: 'not for\na user' } });
    expectFault(await post(named), 'data.device');
    const unnamed = event('area-entered');
    expectFault(await post({ ...unnamed, data: { ...unnamed.data, subscriptionId: 'a\nb' } }), 'data.subscriptionId');
    const batch = [event('subscription-ended'), named];
    const answer = await ask('POST', '/v1/cloudevents', batch, 'application/cloudevents-batch+json');
    expectFault(answer, 'element 2: data.device');
    const center = { latitude: 'north', longitude: 1 };
    const wrong = { ...unnamed, data: { ...unnamed.data, area: { areaType: 'CIRCLE', center } } };
    expectFault(await post(wrong), 'data.area.center.latitude');
  });

  test('a device that leaves an area was there last', async () => {
    const { ask, reported } = await world('', 'tel:+123456789');
    await ask('POST', '/v1/camara/geofencing', event('area-left', { phoneNumber: '+123456789' }), type);
    expect(await reported()).toMatchObject([{ lat: 50.735851, lon: 7.10066, presence: 'left' }]);
  });

  test('the beginning and the end of a subscription give no position', async () => {
    const { ask, reported } = await world('', 'tel:+123456789');
    for (const kind of ['subscription-started', 'subscription-ended']) {
      const { status } = await ask('POST', '/v1/camara/geofencing', event(kind, { phoneNumber: '+123456789' }), type);
      expect(status).toBe(204);
    }
    expect(await reported()).toEqual([]);
  });

  test('an area of another shape is refused; the error names the field', async () => {
    const { ask } = await world('');
    const polygon = event('area-entered');
    polygon.data.area.areaType = 'POLYGON';
    const { status, body } = await ask('POST', '/v1/camara/geofencing', polygon, type);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'EVENT_INVALID', message: expect.stringContaining('data.area.areaType') });
  });
});

describe('ETSI MEC 013', () => {
  const places =
    'ingest: { places: [{ place: zone01, lat: 43.73, lon: 7.42 }, { place: ap01, lat: 43.74, lon: 7.41 }] }';
  const timestamp = { seconds: AT_S, nanoSeconds: 250_000_000 };
  const presence = (userEventType: string) => ({
    zonalPresenceNotification: {
      callbackData: '1234',
      address: 'acr:10.0.0.1',
      interestRealm: 'LA',
      zoneId: 'zone01',
      currentAccessPointId: 'ap01',
      previousAccessPointId: 'ap02',
      userEventType,
      timestamp,
    },
  });

  test('a user who enters a zone, changes the access point or leaves has the position of the access point', async () => {
    const { ask, reported } = await world(places, 'acr:10.0.0.1');
    expect((await ask('POST', '/v1/mec013', presence('Transferring'))).status).toBe(204);
    expect((await ask('POST', '/v1/mec013', presence('Leaving'))).status).toBe(204);
    const there = { vm: 'v1', user: 'acr:10.0.0.1', atMs: AT_MS + 250, lat: 43.74, lon: 7.41 };
    expect(await reported()).toEqual([
      { ...there, presence: 'arrived' },
      { ...there, presence: 'left' },
    ]);
  });

  test.each<[string, object, { lat: number; lon: number; presence?: string }]>([
    [
      'version 2, with a point',
      {
        userInfo: {
          address: 'acr:10.0.0.1',
          accessPointId: 'ap01',
          zoneId: 'zone01',
          timestamp,
          locationInfo: { latitude: 80.123, longitude: 70.123, accuracy: 10, shape: 2 },
        },
      },
      { lat: 80.123, lon: 70.123 },
    ],
    [
      'version 2, with the corners of an area',
      {
        userInfo: {
          address: 'acr:10.0.0.1',
          timestamp,
          locationInfo: { latitude: [80, 82], longitude: [70, 71], shape: 3 },
        },
      },
      { lat: 81, lon: 70.5 },
    ],
    [
      'version 2, with a zone alone',
      { userInfo: { address: 'acr:10.0.0.1', zoneId: 'zone01', timestamp } },
      { lat: 43.73, lon: 7.42 },
    ],
    [
      'version 3',
      {
        notificationType: 'UserLocationEventNotification',
        address: 'acr:10.0.0.1',
        userLocationEvent: 'ENTERING_AREA_EVENT',
        zoneId: 'zone01',
        timestamp,
        locationInfo: { latitude: [43.7], longitude: [7.4], shape: 2 },
      },
      { lat: 43.7, lon: 7.4, presence: 'arrived' },
    ],
    [
      'version 3, at an interval',
      { notificationType: 'UserLocationPeriodicNotification', address: 'acr:10.0.0.1', zoneId: 'zone01', timestamp },
      { lat: 43.73, lon: 7.42, presence: 'periodic' },
    ],
  ])('the location of a user is accepted: %s', async (_, body, position) => {
    const { ask, reported } = await world(places, 'acr:10.0.0.1');
    expect(await ask('POST', '/v1/mec013', body)).toEqual({ status: 204, body: undefined });
    expect(await reported()).toEqual([{ vm: 'v1', user: 'acr:10.0.0.1', atMs: AT_MS + 250, ...position }]);
  });

  test('a place is the name of a site; an unknown place is refused, and the error names it', async () => {
    const sites = 'sites: [{ site: east, lat: 40, lon: -70, slots: 1, uplinks: [{ provider: a, rateBps: 1 }] }]';
    const { ask, reported } = await world(sites, 'acr:10.0.0.1');
    const { status, body } = await ask('POST', '/v1/mec013', presence('Entering'));
    expect({ status, code: body.error.code }).toEqual({ status: 404, code: 'PLACE_UNKNOWN' });
    expect(body.error.message).toContain('"ap01" or "zone01"');
    await ask('POST', '/v1/mec013', { userInfo: { address: 'acr:10.0.0.1', zoneId: 'east', timestamp } });
    expect(await reported()).toMatchObject([{ lat: 40, lon: -70 }]);
  });

  test.each([
    {},
    { zoneStatusNotification: { zoneId: 'zone01' } },
    { notificationType: 'TestNotification' },
    'text',
    null,
  ])('%j has no position, and is refused', async (body) => {
    const { ask } = await world(places);
    expect((await ask('POST', '/v1/mec013', JSON.stringify(body))).body.error.code).toBe('EVENT_INVALID');
  });
});

test('an error of MEC 013 names the address as the platform sent it', async () => {
  const { ask } = await world('');
  const userInfo = { address: 'a\nb', locationInfo: { latitude: 1, longitude: 2 } };
  expectFault(await ask('POST', '/v1/mec013', { userInfo }), 'address');
  expectFault(
    await ask('POST', '/v1/mec013', { userInfo: { address: 'ann', locationInfo: { latitude: 1 } } }),
    'locationInfo.longitude',
  );
});

describe('CloudEvents', () => {
  const event = {
    specversion: '1.0',
    id: 'A234-1234-1234',
    source: '/mycontext',
    type: 'location.reported.v1',
    time: new Date(AT_MS).toISOString(),
    data: { user: 'ann', ...here },
  };
  const position = { vm: 'v1', user: 'ann', atMs: AT_MS, ...here };

  test('a position is accepted structured and batched, and gets the time of the event if it has none', async () => {
    const { ask, reported } = await world('', 'ann');
    const later = { ...event, data: { ...event.data, atMs: AT_MS + 5 } };
    await ask('POST', '/v1/cloudevents', event, 'application/cloudevents+json');
    const answer = await ask('POST', '/v1/cloudevents', [later], 'application/cloudevents-batch+json');
    expect(answer).toMatchObject({ status: 202, body: { accepted: 1 } });
    expect(await reported()).toEqual([position, { ...position, atMs: AT_MS + 5 }]);
  });

  test('a position is accepted in binary mode, with the attributes as headers', async () => {
    const { ingest, url } = await start();
    await ingest.declareVm('v1', 'east', fullSpec);
    await ingest.attach('v1', 'ann', 1);
    const { data: content, ...attributes } = event;
    const headers = Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [`ce-${name}`, encodeURIComponent(value)]),
    );
    const response = await fetch(`${url}/v1/cloudevents`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(content),
    });
    expect(response.status).toBe(202);
    expect(data(await published('location.reported.v1'))).toEqual([position]);
  });

  test.each<[string, object | string, string]>([
    ['another type', { ...event, type: 'com.example.weather' }, 'type: "com.example.weather"'],
    ['another version', { ...event, specversion: '0.3' }, 'specversion'],
    ['no data', { ...event, data: undefined }, 'data: is not an object'],
    ['no user', { ...event, data: here }, 'user: is missing'],
    ['no JSON', '{"specversion":', 'not JSON'],
  ])('%s is refused', async (_, body, message) => {
    const { ask, reported } = await world('', 'ann');
    const answer = await ask('POST', '/v1/cloudevents', body, 'application/cloudevents+json');
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ code: 'EVENT_INVALID', message: expect.stringContaining(message) });
    expect(await reported()).toEqual([]);
  });
});

test('basic authentication carries the token as the password, and the user as the name', async () => {
  const token = 'a token of more than sixteen';
  const { ingest, url } = await start(`http: { port: 0, token: "${token}" }`);
  await ingest.declareVm('v1', 'east', fullSpec);
  await ingest.attach('v1', 'jane', 1);
  const post = (password: string) =>
    fetch(`${url}/v1/owntracks`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Basic ${Buffer.from(`jane:${password}`).toString('base64')}`,
      },
      body: JSON.stringify({ _type: 'location', lat: 1, lon: 2, tst: AT_S }),
    });
  expect((await post('a guess of more than sixteen')).status).toBe(401);
  expect((await post(token)).status).toBe(200);
  expect(data(await published('location.reported.v1'))).toMatchObject([{ user: 'jane' }]);
});
