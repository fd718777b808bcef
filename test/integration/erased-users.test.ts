/** Erasures that cannot be finished say so, and a repeat finishes them. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSystem, type System } from '#services/process/system.ts';
import type { Erasure, Export } from '#services/users/service.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { PATIENTLY } from '../patience.ts';

const config = parseConfig(
  JSON.stringify({
    http: { port: 0 },
    sites: [{ site: 'east', lat: 42, lon: -71, slots: 4, uplinks: [] }],
    vms: [
      {
        ...{ vm: 'desk', home: 'east', sessions: [{ user: 'ann' }, { user: 'bob' }] },
        spec: { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e6 },
      },
    ],
  }),
  'test',
);
let store: Store;
let system: System;
let url: string;
const logged: string[] = [];

beforeEach(async () => {
  store = memoryStore();
  const log = createLog('info', { write: (line) => void logged.push(line) });
  system = createSystem({ config, clock: realClock(), bus: memoryBus(), store, log });
  ({ url } = await system.listen());
  await system.start();
  await system.declare();
});
afterEach(() => system?.stop());

const vmRecord = async () => JSON.stringify(await store.list('placement/vm/'));
const erase = async (user: string) =>
  (await (await fetch(`${url}/v1/users/${user}`, { method: 'DELETE' })).json()) as Erasure;

test('while no placement runs, an erasure is incomplete; a repeat completes it', { timeout: 60_000 }, async () => {
  await vi.waitFor(async () => expect(await vmRecord()).toContain('"ann"'), PATIENTLY);
  await system.placement.stop();
  const first = await erase('ann');
  expect(first.complete).toBe(false);
  expect(first.places.filter(({ done }) => !done).map(({ place }) => place)).toEqual(['vms']);
  expect(await vmRecord()).toContain('"ann"');

  await system.placement.start();
  expect(await erase('ann')).toMatchObject({ complete: true });
  expect(await vmRecord()).not.toContain('"ann"');
  expect(await vmRecord()).toContain('"bob"');
  // The configuration attaches the user again at the next start.
  expect(first.remains.map(({ where }) => where)).toContain('configuration');
  expect(logged.filter((line) => line.includes('a user was erased'))).toHaveLength(2);
  expect(logged.filter((line) => line.includes('erased')).join()).not.toContain('ann');
});

const exported = async (user: string) => (await (await fetch(`${url}/v1/users/${user}/export`)).json()) as Export;

test('an export names the place that cannot be read, and has all others', async () => {
  await vi.waitFor(async () => expect(await vmRecord()).toContain('"ann"'), PATIENTLY);
  await store.put([{ key: 'placement/vm/9/other', value: { version: 99, user: 'ann' }, revision: 0 }]);
  const { places, failed } = await exported('ann');
  expect(failed).toEqual([{ place: 'vms', why: 'STORE_RECORD_UNREADABLE' }]);
  expect(places.sessions).toEqual([{ vm: 'desk', weight: 1 }]);
  expect(places).not.toHaveProperty('vms');
  // Nobody else is in that record.
  expect((await exported('bob')).failed).toEqual([]);
});

test('an export of tokens does not name the admin who issued them', async () => {
  const body = JSON.stringify({ role: 'device', user: 'ann', expiresInMs: 60_000 });
  const headers = { 'content-type': 'application/json' };
  expect((await fetch(`${url}/v1/tokens`, { method: 'POST', headers, body })).status).toBe(201);
  const { places } = await exported('ann');
  expect(places.tokens).toMatchObject([{ role: 'device', user: 'ann' }]);
  expect(places.tokens![0]).not.toHaveProperty('by');
});

test('an erasure is incomplete while a token or a dead letter that cannot be read names the user', async () => {
  await vi.waitFor(async () => expect(await vmRecord()).toContain('"ann"'), PATIENTLY);
  const unreadable = [
    { key: 'token/0123456789abcdef', place: 'tokens', value: { version: 99, user: 'ann' } },
    { key: 'dead-letter/1', place: 'dead-letters', value: { version: 99, original: '{"data":{"user":"ann"}}' } },
    { key: 'dead-letter/2', place: 'dead-letters', value: { version: 99, original: { id: 'loc:desk:ann:1' } } },
  ];
  for (const { key, place, value } of unreadable) {
    await store.put([{ key, value, revision: 0 }]);
    const { complete, places } = await erase('ann');
    const left = places.filter(({ done }) => !done).map(({ place, why }) => ({ place, why }));
    expect({ complete, left }, key).toEqual({ complete: false, left: [{ place, why: 'STORE_RECORD_UNREADABLE' }] });
    expect(await erase('carl')).toMatchObject({ complete: true });
    const { revision } = (await store.get(key))!;
    await store.put([{ key, value: undefined, revision }]);
  }
  expect(await erase('ann')).toMatchObject({ complete: true });
});

test('a user whom nobody knows is erased without effect', async () => {
  await vi.waitFor(async () => expect(await vmRecord()).toContain('"bob"'), PATIENTLY);
  const before = await vmRecord();
  expect(await erase('carl')).toMatchObject({ complete: true });
  expect(await vmRecord()).toBe(before);
});
