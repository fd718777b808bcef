/**
 * An unreadable record, or a change that bus or store refuses, sets its own VM aside and no other. The services stay ready and
 * start again, and the other VMs move.
 */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DEAD_LETTER_RECORD, DEAD_LETTERS } from '#services/dead-letters/records.ts';
import { createPacedSystem, type PacedSystem } from '#services/process/paced-system.ts';
import { simulatedMachines } from '#services/sites/hosts/simulated.ts';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { type PacedClock, pacedClock } from '#shared/clock/paced.ts';
import { parseConfig } from '#shared/config/load.ts';
import { type Event, envelop, partitionOf, TERMINAL_TYPES } from '#shared/events/index.ts';
import type { Report } from '#shared/hypervisor/hypervisor.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { listRecords } from '#shared/store/update.ts';

const [still] = (
  JSON.parse(readFileSync(new URL('../contract/records/vm.v0.json', import.meta.url), 'utf8')) as {
    key: string;
    value: { value: { id: string; nowMs: number; spec: { ramBytes: number }; mind: object }; outbox: object[] };
  }[]
).filter(({ key }) => key.endsWith('/still'));
const START_MS = Math.ceil(still!.value.value.nowMs) + 60_000;
const uplinks = ['north', 'south'].map((provider) => ({ provider, rateBps: 1e9 }));
const site = (name: string, lat: number, lon: number) => ({ site: name, lat, lon, slots: 20, uplinks });
const config = parseConfig(
  JSON.stringify({
    sites: [site('boston', 42.36, -71.06), site('hartford', 41.76, -72.68), site('new-york', 40.75, -73.99)],
    policy: { sessionTimeoutMs: 3_600_000 },
  }),
  'set aside',
);
const keyOf = (vm: string) => `placement/vm/${partitionOf(vm, config.bus.partitions)}/${vm}`;
/** More than the schema of events allows. Older programs accepted it. */
const TOO_MUCH_BYTES = 1e17;
const SPEC = { ...(still!.value.value.spec as never as Record<'ramBytes', number>), ramBytes: 1e9 } as never;

let bus: MemoryBus;
let store: Store;
let clock: PacedClock;
let system: PacedSystem;
let published: Event[];
let spoil: (report: Report) => Report;

async function start(): Promise<void> {
  bus = memoryBus({ partitions: config.bus.partitions });
  published = [];
  const types = ['placement.decided.v1', 'migration.switched.v1', ...TERMINAL_TYPES, 'event.rejected.v1'] as const;
  await bus.subscribe({ group: 'test', types }, async (batch) => {
    published.push(...batch.map(({ event }) => event));
  });
  const machines = simulatedMachines(config, clock);
  const { hypervisor } = machines;
  const listen: typeof hypervisor.listen = (tell) => hypervisor.listen((report) => tell(spoil(report)));
  const log = createLog('silent');
  system = createPacedSystem({
    ...{ config, clock, bus, store, log },
    machines: { ...machines, hypervisor: { ...hypervisor, listen } },
  });
  await system.start();
  await system.settle();
}

async function restart(): Promise<void> {
  await system.stop();
  await start();
}

const pass = (ms: number) => clock.paceTo(clock.now() + ms, () => system.settle());
const ready = () => [system.placement.ready(), system.migrator.ready(), system.ingest.ready()];
const ends = (vm: string) =>
  published.filter(({ type, data }) => TERMINAL_TYPES.some((one) => one === type) && 'vm' in data && data.vm === vm);
const completed = (vm: string) => ends(vm).filter(({ type }) => type === 'migration.completed.v1').length;
const setAside = (key: string) => system.setAside.list().find((one) => one.key === key);

const letters = () => listRecords(store, DEAD_LETTER_RECORD, DEAD_LETTERS);

/** Stores a VM in the form of version 0. */
async function seed(vm: string, ramBytes: number, outbox: readonly unknown[] = []): Promise<void> {
  const { value } = structuredClone(still!.value);
  const kept = { ...value, id: vm, spec: { ...value.spec, ramBytes }, mind: { ...value.mind, vm } };
  await store.put([{ key: keyOf(vm), value: { value: kept, outbox }, revision: 0 }]);
}

async function declare(vm: string): Promise<void> {
  await system.ingest.declareVm(vm, 'boston', SPEC);
  await system.settle();
}

/** Orders a move, and asserts that it completes. */
async function moves(vm: string, to: string): Promise<void> {
  const before = completed(vm);
  await system.placement.order(vm, to);
  await system.settle();
  // Step by step: after the cooldown the policy may move it back to its users.
  for (let step = 0; completed(vm) === before && step < 12; step += 1) await pass(5000);
  expect(completed(vm)).toBe(before + 1);
}

beforeEach(() => {
  store = { ...memoryStore(), close: async () => {} };
  clock = pacedClock(START_MS, Number.POSITIVE_INFINITY);
  spoil = (report) => report;
});
afterEach(() => system.stop());

describe('a VM whose decision the bus refuses', () => {
  beforeEach(async () => {
    await seed('big', TOO_MUCH_BYTES);
    await start();
    await declare('other');
  });

  test('is set aside alone', async () => {
    await expect(system.placement.order('big', 'new-york')).rejects.toMatchObject({ code: 'VM_SET_ASIDE' });
    expect(ready()).toEqual([true, true, true]);
    expect(setAside(keyOf('big'))).toMatchObject({ kind: 'vm', code: 'EVENT_INVALID' });
    expect(published.some(({ data }) => 'vm' in data && data.vm === 'big')).toBe(false);
    await moves('other', 'new-york');
    expect(ready()).toEqual([true, true, true]);

    await restart();
    expect(ready()).toEqual([true, true, true]);
    expect(setAside(keyOf('big')), 'until its next move').toBeUndefined();
    expect(await system.placement.explain('big')).toMatchObject({ home: 'boston', sessions: 2 });
    await declare('third');
    await moves('third', 'new-york');
  });

  test('is resumed when it is declared with a valid specification', async () => {
    await expect(system.placement.order('big', 'new-york')).rejects.toMatchObject({ code: 'VM_SET_ASIDE' });
    await declare('big');
    expect(setAside(keyOf('big'))).toBeUndefined();
    expect((await system.placement.explain('big')).sessions, 'with its users').toBe(2);
    await moves('big', 'new-york');
  });

  test('is set aside while its site drains, and the other VMs leave', async () => {
    await system.siteReporter.drain('boston', true);
    await system.settle();
    await pass(120_000);
    expect(ready()).toEqual([true, true, true]);
    expect(setAside(keyOf('big'))).toMatchObject({ code: 'EVENT_INVALID' });
    expect(completed('other')).toBe(1);
  });
});

describe('a VM whose record cannot be read', () => {
  const broken = { v: 1_000, value: 'of a later program', outbox: [] };
  beforeEach(async () => {
    await store.put([{ key: keyOf('lost'), value: broken, revision: 0 }]);
    await start();
    await declare('other');
  });

  test('is set aside: requests fail with its code, and its record does not change', async () => {
    expect(setAside(keyOf('lost'))).toMatchObject({ kind: 'vm', code: 'STORE_RECORD_UNREADABLE' });
    const refused = { code: 'STORE_RECORD_UNREADABLE' };
    await expect(system.placement.order('lost', 'new-york')).rejects.toMatchObject(refused);
    await expect(system.placement.explain('lost')).rejects.toMatchObject(refused);
    await declare('lost');
    await system.ingest.attach('lost', 'ann', 1);
    await system.settle();
    expect((await store.get(keyOf('lost')))?.value).toEqual(broken);
    expect(ready()).toEqual([true, true, true]);
    await moves('other', 'new-york');
  });

  test('has its later events among the dead letters', async () => {
    await declare('lost');
    await system.ingest.attach('lost', 'ann', 1);
    await system.settle();
    const kept = (await letters()).map(({ value: { vm, code, original } }) => ({
      ...{ vm, code },
      type: (original as Event).type,
    }));
    const letter = { vm: 'lost', code: 'STORE_RECORD_UNREADABLE' };
    expect(kept).toEqual([
      { ...letter, type: 'vm.declared.v1' },
      { ...letter, type: 'session.attached.v1' },
    ]);
  });
});

test('an outbox entry that the bus refuses becomes a dead letter that names its record', async () => {
  const retired = envelop({ type: 'vm.retired.v1', data: { vm: 'still', atMs: 1 } }, 'still:1', '/test');
  await seed('still', 1e9, [
    { ...retired, data: { vm: 'still', atMs: null } },
    { ...retired, id: 'still:2' },
  ]);
  await start();
  expect(ready()).toEqual([true, true, true]);
  const [letter] = (await letters()).map(({ value }) => value);
  expect(letter).toMatchObject({ vm: 'still', code: 'EVENT_INVALID', original: { id: 'still:1' } });
  expect(letter!.reason).toContain(keyOf('still'));
  await restart();
  expect((await letters()).length, 'once').toBe(1);
});

describe('a migration whose record the store refuses', () => {
  beforeEach(async () => {
    store = { ...store, maxRecordBytes: 20_000 };
    await start();
    await declare('bad');
    await declare('other');
  });

  test.each([
    ['invalid figures', { bytes: Number.NaN, pauseMs: Number.POSITIVE_INFINITY }],
    ['too large a record', { degraded: Array.from({ length: 2_000 }, () => 'x'.repeat(100)) }],
  ])('because of %s, ends once, and the other VMs move', async (_, measured) => {
    spoil = (report) =>
      report.id.startsWith('bad:') && report.kind === 'done' && report.step === 'memory'
        ? { ...report, measured: { ...report.measured, ...measured } }
        : report;
    await system.placement.order('bad', 'new-york');
    await system.settle();
    await pass(120_000);
    expect(ends('bad').length).toBe(1);
    expect(ready()).toEqual([true, true, true]);
    await moves('other', 'hartford');
    await restart();
    expect(ready()).toEqual([true, true, true]);
    expect(system.migrator.status()).toEqual([]);
  });
});

test('a migration with an unreadable record is not begun again; the next move of its VM fails with the code', async () => {
  const broken = { v: 1, value: { state: 'queued' }, outbox: [] };
  await store.put([{ key: 'migrator/vm/lost', value: broken, revision: 0 }]);
  await start();
  await declare('lost');
  await declare('other');
  await system.placement.order('lost', 'new-york');
  await system.settle();
  await pass(60_000);
  expect(ends('lost').map(({ data }) => data)).toMatchObject([{ code: 'STORE_RECORD_UNREADABLE', runsAt: 'boston' }]);
  expect((await store.get('migrator/vm/lost'))?.value).toEqual(broken);
  expect(setAside('migrator/vm/lost')).toMatchObject({ kind: 'migration' });
  await moves('other', 'new-york');
});

test('a VM with a record beyond the limit of the store is set aside alone', async () => {
  store = { ...store, maxRecordBytes: 6_000 };
  await start();
  await declare('crowded');
  await declare('other');
  for (let i = 0; i < 20; i++) await system.ingest.attach('crowded', `user-${i}`, 1);
  await system.settle();
  expect(setAside(keyOf('crowded'))).toMatchObject({ code: 'RECORD_TOO_LONG' });
  expect(ready()).toEqual([true, true, true]);
  await moves('other', 'new-york');
  expect((await letters()).some(({ value }) => value.code === 'RECORD_TOO_LONG')).toBe(true);
});
