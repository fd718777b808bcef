/** A program publishes events from the future, and of sites that do not exist. The services of a process ignore them, and count them. */
import { afterEach, expect, test, vi } from 'vitest';
import { holdEvents } from '#services/runtime/held-events.ts';
import { knownSites } from '#services/sites/known.ts';
import { SiteRecords } from '#services/sites/records.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import { type Event, envelop, type Fact } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { NOW_MS } from './ingest-world.ts';

const bus = memoryBus();
const clock = virtualClock(NOW_MS);
const lines: string[] = [];
const log = createLog('info', { write: (line) => void lines.push(line) });
const config = parseConfig('', 'held-events');
let serial = 0;
let ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(ends.map((end) => end()));
  ends = [];
  lines.length = 0;
});

async function world(store = memoryStore()) {
  const sites = knownSites(store, [{ site: 'east' }]);
  const held = holdEvents(bus, { clock, config, sites, log });
  const seen: Event[] = [];
  const types = [
    'site.reported.v1',
    'site.removed.v1',
    'vm.retired.v1',
    'location.reported.v1',
    'migration.accepted.v1',
  ] as const;
  const { stop } = await held.subscribe({ group: `test-${serial++}`, types }, async (batch) => {
    seen.push(...batch.map(({ event }) => event));
  });
  ends.push(stop);
  const publish = async (...facts: Fact[]) => {
    await bus.publish(facts.map((fact) => envelop(fact, `e${serial++}`, '/tagalong/agent')));
    await bus.idle();
  };
  return { store, held, seen, publish };
}
const report = (site: string, atMs = NOW_MS): Fact => ({
  type: 'site.reported.v1',
  data: { site, atMs, lat: 1, lon: 1, slots: 9, vms: [], draining: false, uplinks: [] },
});

test('a site that is neither configured nor declared is ignored; after its declaration it counts', async () => {
  const { store, held, seen, publish } = await world();
  await publish(report('east'), report('evil'), report('east'));
  expect(seen.map(({ partitionkey }) => partitionkey)).toEqual(['east', 'east']);
  expect(held.refused).toEqual({ future: 0, 'unknown-site': 1 });
  const uplinks = [{ provider: 'a', rateBps: 1 }];
  const site = { site: 'west', lat: 1, lon: 1, slots: 9, uplinks, draining: false };
  await new SiteRecords(store).put({ by: 'operator', atMs: NOW_MS, removed: false, site }, 0);
  await publish(report('west'));
  expect(seen).toHaveLength(3);
});

test('an event from the future is ignored, one within the difference of clocks counts', async () => {
  const { held, seen, publish } = await world();
  const { maxFutureMs } = config.ingest.plausibility;
  await publish(report('east', NOW_MS + maxFutureMs + 1));
  await publish({ type: 'vm.retired.v1', data: { vm: 'v', atMs: NOW_MS + 10 * maxFutureMs } });
  expect([seen, held.refused.future]).toEqual([[], 2]);
  await publish(report('east', NOW_MS + maxFutureMs));
  // Placement counts such a position itself.
  const data = { vm: 'v', user: 'u', lat: 1, lon: 1, atMs: NOW_MS + 10 * maxFutureMs };
  await publish({ type: 'location.reported.v1', data });
  expect(seen.map(({ type }) => type).toSorted()).toEqual(['location.reported.v1', 'site.reported.v1']);
  // The migrator's record proves such an event, so it counts although the clock of the migrator is wrong.
  const move = { vm: 'v', migration: 'v:1', from: 'east', to: 'west', atMs: NOW_MS + 10 * maxFutureMs };
  await publish({ type: 'migration.accepted.v1', data: move });
  expect(seen.map(({ type }) => type)).toContain('migration.accepted.v1');
  expect(lines.filter((line) => line.includes('events of the bus are ignored'))).toHaveLength(1);
});

test('while the store does not answer, heartbeats count', async () => {
  const store = { ...memoryStore(), get: () => Promise.reject(new Error('gone')) };
  const { seen, publish } = await world(store);
  await publish(report('new'));
  expect(seen).toHaveLength(1);
});

test('and after the outage, those of sites that do not exist are ignored again', async () => {
  const store = memoryStore();
  let isAway = true;
  const get = vi.fn<typeof store.get>((key) => (isAway ? Promise.reject(new Error('gone')) : store.get(key)));
  const { held, seen, publish } = await world({ ...store, get: get as typeof store.get });
  await publish(report('evil'), report('worse'), report('worst'));
  expect(seen).toHaveLength(3);
  // A look-up may last until its end of time. One is enough to know that the store is away.
  expect(get).toHaveBeenCalledTimes(1);
  isAway = false;
  clock.advanceTo(clock.now() + 1_000);
  await publish(report('evil'), report('east'));
  expect(seen.map(({ partitionkey }) => partitionkey).slice(3)).toEqual(['east']);
  expect(held.refused['unknown-site']).toBe(1);
});

test('an event from the future is a dead letter of now, so that it can be replayed; a heartbeat is none', async () => {
  const { held, seen, publish } = await world();
  const letters: Event[] = [];
  const { stop } = await held.subscribe({ group: `test-${serial++}`, types: ['event.rejected.v1'] }, async (batch) => {
    letters.push(...batch.map(({ event }) => event));
  });
  ends.push(stop);
  const atMs = clock.now() + 1_000_000;
  await publish({ type: 'vm.retired.v1', data: { vm: 'v', atMs } }, report('east', atMs), report('east', clock.now()));
  await bus.idle();
  expect(seen.map(({ type }) => type)).toEqual(['site.reported.v1']);
  const original = { type: 'vm.retired.v1', data: { vm: 'v', atMs } };
  expect(letters).toMatchObject([{ data: { vm: 'v', atMs: clock.now(), code: 'EVENT_INVALID', original } }]);
  expect(held.refused.future).toBe(2);
});
