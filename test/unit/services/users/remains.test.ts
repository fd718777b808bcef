import { expect, test } from 'vitest';
import { remainsAfter } from '#services/users/remains.ts';
import { parseConfig } from '#shared/config/load.ts';

const HOUR_MS = 3_600_000;
const after = (yaml: string) => remainsAfter(parseConfig(yaml, 'test'), 'alice', 0);
const on = (server: string) => after(`bus: { url: "${server}" }\nstore: { url: "${server}" }`);

test('in the memory of a process nothing is left but what dashboards show for an hour', () => {
  expect(after('').map(({ where, untilMs }) => [where, untilMs])).toEqual([['dashboards', HOUR_MS]]);
});

test('Kafka keeps the positions under the pseudonym for little more than an hour, sessions as long as events, dead letters for 30 days', () => {
  const left = on('kafka://127.0.0.1:9092').filter(({ where }) => where === 'bus');
  expect(left.map(({ untilMs }) => untilMs! / HOUR_MS)).toEqual([1.2, 168, 30 * 24, 168]);
  expect(left[0]!.what).toContain('positions');
  expect(left[2]!.what).toContain('dead letters');
});

test('NATS keeps no event that names the user', () => {
  for (const { where, what } of on('nats://127.0.0.1:4222')) {
    if (where === 'bus') expect(what).toContain('name no user');
  }
});

test('a phone over MQTT goes on until its login ends, ten minutes at most, if it has signed in with a token', () => {
  const url = 'url: "nats://127.0.0.1:4222"';
  const phones = (mqtt: string) =>
    after(`ingest: { mqtt: { ${mqtt} } }`).flatMap(({ where, untilMs }) => (where === 'MQTT servers' ? untilMs : []));
  expect(phones(`${url}, issuerSeed: "SA${'A'.repeat(56)}"`)).toEqual([600_000]);
  expect(phones(url)).toEqual([]);
});

test('a configuration that names the user is reported, for its next start would attach the user again', () => {
  const sites = 'sites: [{ site: a, lat: 1, lon: 2, slots: 3, uplinks: [] }]';
  const vm = (user: string) =>
    `${sites}\nvms: [{ vm: v, home: a, spec: { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e8 }, sessions: [{ user: ${user} }] }]`;
  const isNamed = (user: string) => after(vm(user)).some(({ where }) => where === 'configuration');
  expect([isNamed('alice'), isNamed('bob')]).toEqual([true, false]);
});
