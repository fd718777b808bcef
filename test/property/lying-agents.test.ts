/**
 * Rule 9, with a lying peer: a false answer of a site's agent affects only moves from and to that site. The migrator stays ready,
 * other VMs move, no VM runs at two honest sites, and each move ends with a reason of bounded length.
 */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { type Event, envelop } from '#shared/events/index.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { PATIENTLY } from '../patience.ts';
import { orderMove } from '../placement-order.ts';
import { decided } from '../unit/shared/migration/world.ts';
import { IDLE_SPEC } from '../unit/shared/policy/world.ts';
import { FakeSites, type Lie } from './fake-agents.ts';
import { changes, FORMS } from './lies.ts';
import { type QemuMigrator, startQemuMigrator } from './qemu-migrator.ts';
import { SEED } from './seed.ts';

const HONEST = ['a', 'b'];
const LIAR = 'c';
const ORDERS_BEFORE = ['instance', 'status', 'receive', 'leave', 'announce', 'copy', 'expect', 'resume', 'settle'];
const ENDS = ['migration.completed.v1', 'migration.failed.v1', 'migration.cancelled.v1'];

const sites = new FakeSites([...HONEST, LIAR]);
let config: Config;
let bus: MemoryBus;
let store: Store;
let mover: QemuMigrator;
let ends: Map<string, Event>;
let serial = 0;

beforeAll(async () => {
  await sites.open();
  const uplinks = ['north', 'south'].map((provider) => ({ provider, rateBps: 1e9 }));
  config = parseConfig(
    JSON.stringify({
      hypervisor: { kind: 'qemu', tls: sites.tls('control'), joinMs: 0 },
      limits: { movesPerSite: 50, movesPerPath: 50, stepTimeoutMs: 1000 },
      sites: sites.names.map((site, i) => ({ site, lat: 50 + i, lon: 8, slots: 500, uplinks, agent: sites.url(site) })),
      heartbeatMs: 200,
    }),
    'config',
  );
}, 60_000);
afterAll(() => sites.close());

beforeEach(async () => {
  sites.lie = () => undefined;
  ends = new Map();
  bus = memoryBus();
  store = memoryStore();
  await bus.subscribe({ group: 'test', types: ENDS as Event['type'][] }, async (batch) => {
    for (const { event } of batch) ends.set((event.data as { migration: string }).migration, event);
  });
  await start();
});
afterEach(async () => {
  await mover.stop();
  await bus.close();
});

async function start(): Promise<void> {
  mover = await startQemuMigrator(config, bus, store);
}

/** Declares a VM, and waits until it runs at its home. */
async function declare(vm: string, home: string): Promise<void> {
  const data = { vm, home, spec: IDLE_SPEC, atMs: Date.now() };
  await bus.publish([envelop({ type: 'vm.declared.v1', data }, `${vm}:${serial++}`, '/test')]);
  await vi.waitFor(() => expect(sites.runningSites(vm), `the sites where ${vm} runs`).toEqual([home]), PATIENTLY);
}
/** Orders a move. @returns the id of its migration */
async function move(vm: string, from: string, to: string): Promise<string> {
  const fact = decided(vm, ++serial, { from, to, spec: IDLE_SPEC, atMs: Date.now() });
  await orderMove(bus, store, fact);
  return `${vm}:${serial}`;
}
const ended = (migration: string) =>
  vi.waitFor(() => ends.get(migration) ?? expect.fail(`${migration} goes on`), PATIENTLY);

/** Moves a VM from or to the liar, which lies about one request. Moves another VM meanwhile, and once more afterwards. */
async function lieTo(what: string, lie: Lie, from: string, to: string): Promise<void> {
  const [victim, other] = [`victim-${++serial}`, `other-${serial}`];
  await Promise.all([declare(victim, from), declare(other, 'a')]);
  sites.lie = ({ site, what: asked, vm }) =>
    site === LIAR && asked === what && (vm === undefined || vm === victim) ? lie : undefined;
  const hurt = await move(victim, from, to);
  const there = await move(other, 'a', 'b');
  expect((await ended(there)).type).toBe('migration.completed.v1');
  const { type, data } = (await ended(hurt)) as Event & { data: { reason?: string } };
  sites.lie = () => undefined;
  if (type === 'migration.failed.v1') {
    expect(data.reason!.length).toBeLessThan(1024);
    expect(data.reason).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  }
  expect(mover.migrator.ready()).toBe(true);
  expect(sites.runningSites(victim).filter((site) => site !== LIAR).length).toBeLessThanOrEqual(1);
  expect((await ended(await move(other, 'b', 'a'))).type).toBe('migration.completed.v1');
  expect(sites.runningSites(other), `after ${type}: ${data.reason}`).toEqual(['a']);
}

test('a move between honest agents ends at its destination', async () => {
  await declare('v', 'a');
  expect((await ended(await move('v', 'a', LIAR))).type).toBe('migration.completed.v1');
  expect(sites.runningSites('v')).toEqual([LIAR]);
});

describe('a destination that answers the order to receive with', () => {
  test.each(Object.keys(FORMS))('%s fails that move alone', async (form) => {
    await lieTo('receive', FORMS[form]!, 'a', LIAR);
  });
});

test('the VMs of honest agents move, for any answers of a lying agent', async () => {
  const lies = fc.tuple(
    fc.constantFrom(...ORDERS_BEFORE),
    fc.oneof({ arbitrary: fc.constantFrom(...Object.values(FORMS)), weight: 1 }, { arbitrary: changes, weight: 3 }),
    fc.boolean(),
  );
  for (const [what, lie, isDestination] of fc.sample(lies, { seed: SEED, numRuns: 20 })) {
    if (isDestination) await lieTo(what, lie, 'a', LIAR);
    else await lieTo(what, lie, LIAR, 'a');
  }
  await mover.stop();
  await start();
  expect(mover.migrator.ready()).toBe(true);
  await declare('v-after', 'a');
  expect((await ended(await move('v-after', 'a', 'b'))).type).toBe('migration.completed.v1');
}, 180_000);
