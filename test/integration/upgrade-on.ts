/** The present programs open a store of the programs of commit e839cea. */
import { readFileSync } from 'node:fs';
import { expect, vi } from 'vitest';
import { listDeadLetters } from '#services/dead-letters/records.ts';
import { loadCorrections } from '#services/placement/corrections.ts';
import { STORE_KINDS } from '#services/process/records.ts';
import { createSystem } from '#services/process/system.ts';
import { keptMachines } from '#services/sites/hosts/kept.ts';
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import type { Store } from '#shared/store/store.ts';
import { PATIENTLY } from '../patience.ts';

const PARTITIONS = 4;
const uplinks = ['north', 'south'].map((provider) => ({ provider, rateBps: 1_250_000_000 }));
const site = (name: string, lat: number, lon: number) => ({ site: name, lat, lon, slots: 20, uplinks });
/** The configuration of that time. */
const config = parseConfig(
  JSON.stringify({
    bus: { partitions: PARTITIONS },
    ingest: { pseudonymKey: 'a-secret-of-this-test' },
    policy: { dwellMs: 1_000, coolingMs: 3_600_000, siteSilentMs: 30_000 },
    sites: [site('boston', 42.36, -71.06), site('hartford', 41.76, -72.68), site('new-york', 40.75, -73.99)],
  }),
  'upgrade',
);

interface Golden {
  readonly key: string;
  readonly value: object;
}
/** Kinds of record that are newer than those programs. */
const NEWER = ['installation', 'declared-site'];
/** All records of that time, of every kind. */
const LEFT = STORE_KINDS.filter(({ kind }) => !NEWER.includes(kind)).flatMap(({ kind }) => {
  const path = new URL(`../contract/records/${kind}.v0.json`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')) as Golden[];
});
const [{ value: still }] = LEFT.filter(
  ({ key }) => key.endsWith('/still') && key.startsWith('placement/vm/'),
) as unknown as [{ value: { value: { nowMs: number; spec: never } } }];

/** The real clock, set to shortly after those programs stopped. */
function clockOfThen(): Clock {
  const real = realClock();
  const agoMs = real.now() - (still.value.nowMs + 30_000);
  return { now: () => real.now() - agoMs, at: (timeMs, callback) => real.at(timeMs + agoMs, callback) };
}

/** Fills a store with the old records, starts all services on it, and asserts that nothing is lost. */
export async function upgrades(bus: Bus, store: Store): Promise<void> {
  await store.put(LEFT.map(({ key, value }) => ({ key, value, revision: 0 })));
  const clock = clockOfThen();
  const log = createLog('silent');
  const system = createSystem({
    ...{ config, clock, bus, store, log },
    machines: keptMachines(config, clock, store, log),
  });
  await system.start();
  try {
    expect(system.setAside.list()).toEqual([]);
    await vi.waitFor(() => expect(system.placement.status().sites.length).toBe(3), PATIENTLY);
    const { vms, sites, paused, partitions } = system.placement.status();
    expect(partitions.held.length).toBe(PARTITIONS);
    expect(paused).toBe(true);
    expect(vms).toMatchObject([
      { vm: 'drained', home: 'new-york', state: 'cooling', users: 1 },
      { vm: 'huge', home: 'new-york', state: 'moving', users: 1, movingTo: 'boston', migration: 'huge:1' },
      { vm: 'quick', home: 'new-york', state: 'cooling', users: 1 },
      { vm: 'still', home: 'boston', state: 'settled', users: 2 },
    ]);
    expect(sites.filter(({ draining }) => draining).map((one) => one.site)).toEqual(['hartford']);
    await vi.waitFor(
      () => expect(system.migrator.status()).toMatchObject([{ migration: 'huge:1', state: 'memory' }]),
      PATIENTLY,
    );
    expect((await loadCorrections(store)).get('boston~new-york')).toMatchObject({ samples: 1 });
    expect((await listDeadLetters(store, {})).map(({ key, code }) => [key, code])).toEqual([
      ['still', 'STORE_CONFLICT'],
    ]);
    // The pseudonyms of the users and their sessions are the same.
    const places = ['ann', 'bob', 'cid', 'dora'].map((user) => ({ user, atMs: clock.now(), lat: 42.3, lon: -71.1 }));
    expect(await system.ingest.locations(places)).toMatchObject({ accepted: 4, events: 5, unattached: 0 });
    const revisionOf = async (key: string) => (await store.get(key))?.revision;
    const before = await revisionOf('ingest/vm/still');
    await system.ingest.declareVm('still', 'boston', still.value.spec);
    expect(await revisionOf('ingest/vm/still'), 'an equal declaration writes nothing').toBe(before);
    // A changed record gets the present version, and no record is lost.
    await system.ingest.attach('still', 'eve', 2);
    await vi.waitFor(
      () => expect(system.placement.status().vms.at(-1)).toMatchObject({ vm: 'still', users: 3 }),
      PATIENTLY,
    );
    const records = new Map((await store.list<{ v?: number }>('')).map(({ key, value }) => [key, value.v]));
    expect([...records.keys()]).toEqual(expect.arrayContaining(LEFT.map(({ key }) => key)));
    await vi.waitFor(async () => {
      const [kept] = await store.list<{ v?: number }>(LEFT.find(({ value }) => value === still)!.key);
      expect(kept!.value.v).toBe(VM_RECORD.version);
    }, PATIENTLY);
  } finally {
    await system.stop();
  }
}
