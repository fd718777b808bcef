/** A configuration that puts phones into the account of the services is refused. */
import { expect, test } from 'vitest';
import { parseConfig } from '#shared/config/load.ts';

const AUTH = { user: 'tagalong', password: 'of the services' };
const PHONES = { user: 'ingest', password: 'other' };
const at = (bus: object, mqtt: object, store: object = {}) =>
  JSON.stringify({ bus, store, ingest: { mqtt: { url: 'nats://a:4222', ...mqtt } } });

test.each<[string, string]>([
  ['no credentials at all', at({ url: 'nats://a:4222' }, {})],
  ['none for the phones', at({ url: 'nats://a:4222', auth: AUTH }, {})],
  ['the same ones', at({ url: 'nats://b:4222,a:4222', auth: AUTH }, { auth: AUTH })],
  ['those of the store', at({ url: 'memory:' }, { auth: AUTH }, { url: 'nats://a:4222', auth: AUTH })],
  [
    'those that the store has of the bus',
    at({ url: 'nats://a:4222', auth: AUTH }, { auth: AUTH }, { url: 'nats://a:4222' }),
  ],
])('%s', (_, text) => {
  expect(() => parseConfig(text, 'test')).toThrow(expect.objectContaining({ code: 'MQTT_ACCOUNT_SHARED' }));
});

test('a user of their own, or a server of their own, is accepted', () => {
  expect(parseConfig(at({ url: 'nats://a:4222', auth: AUTH }, { auth: PHONES }), 'test').ingest.mqtt?.auth).toEqual(
    PHONES,
  );
  expect(parseConfig(at({ url: 'nats://b:4222', auth: AUTH }, {}), 'test').ingest.mqtt?.url).toBe('nats://a:4222');
});
