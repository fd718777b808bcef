/** Sites report VMs that they do not have, or stay silent. The records alone decide where a VM may run (rules 1 and 9). */
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { handedKey } from '#services/sites/place-records.ts';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { parseConfig } from '#shared/config/load.ts';
import { envelop } from '#shared/events/index.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { PATIENTLY } from '../patience.ts';
import { orderMove } from '../placement-order.ts';
import { type AgentRequest, FakeSites, type Lie } from '../property/fake-agents.ts';
import { type QemuMigrator, startQemuMigrator } from '../property/qemu-migrator.ts';
import { decided } from '../unit/shared/migration/world.ts';
import { IDLE_SPEC } from '../unit/shared/policy/world.ts';

const MACHINE = { image: 'default', vcpus: 1, spec: IDLE_SPEC };
/** Takes the request and never answers. */
const silence: Lie = () => {};

let sites: FakeSites;
let bus: MemoryBus;
let store: Store;
let mover: QemuMigrator;
let reported: Map<string, string[]>;
let completed: Set<string>;
let serial = 0;

beforeAll(() => vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 }));
beforeEach(async () => {
  sites = new FakeSites(['a', 'b', 'c']);
  await sites.open();
  reported = new Map();
  completed = new Set();
  bus = memoryBus();
  store = memoryStore();
  await bus.subscribe({ group: 'test', types: ['site.reported.v1', 'migration.completed.v1'] }, async (batch) => {
    for (const { event } of batch) {
      if (event.type === 'site.reported.v1') reported.set(event.data.site, event.data.vms);
      if (event.type === 'migration.completed.v1') completed.add(event.data.migration);
    }
  });
});
afterEach(async () => {
  await mover.stop();
  await bus.close();
  await sites.close();
});

/** @param remembers whether the configured store survives the process */
async function start(remembers = true): Promise<void> {
  const uplinks = ['north', 'south'].map((provider) => ({ provider, rateBps: 1e9 }));
  const config = parseConfig(
    JSON.stringify({
      hypervisor: { kind: 'qemu', tls: sites.tls('control'), joinMs: 0 },
      store: { url: remembers ? 'nats://127.0.0.1:1' : 'memory:' },
      bus: { url: remembers ? 'nats://127.0.0.1:1' : 'memory:' },
      sites: sites.names.map((site, i) => ({ site, lat: 50 + i, lon: 8, slots: 500, uplinks, agent: sites.url(site) })),
      heartbeatMs: 100,
    }),
    'config',
  );
  mover = await startQemuMigrator(config, bus, store);
}
const declare = (vm: string, home: string) => {
  const data = { vm, home, spec: IDLE_SPEC, atMs: Date.now() };
  return bus.publish([envelop({ type: 'vm.declared.v1', data }, `declared-${vm}-${++serial}`, '/test')]);
};
const retire = (vm: string) =>
  bus.publish([envelop({ type: 'vm.retired.v1', data: { vm, atMs: Date.now() } }, `retired-${++serial}`, '/test')]);
const runsAt = (vm: string, ...where: string[]) =>
  vi.waitFor(() => expect(sites.runningSites(vm)).toEqual(where), PATIENTLY);
const move = async (vm: string, from: string, to: string) => {
  const fact = decided(vm, ++serial, { from, to, spec: IDLE_SPEC, atMs: Date.now() });
  await orderMove(bus, store, fact);
  await vi.waitFor(() => expect(completed).toContain(`${vm}:${serial}`), PATIENTLY);
};
/** Waits for two further heartbeats of two sites. */
const beats = async () => {
  for (let i = 0; i < 2; i++) {
    reported.clear();
    await vi.waitFor(() => expect(reported.size).toBeGreaterThanOrEqual(2), PATIENTLY);
  }
};
const at = (site: string, lie: Lie) => {
  sites.lie = (asked: AgentRequest) => (asked.site === site ? lie : undefined);
};

describe('a site that claims VMs of others', () => {
  test('has only the VMs in its heartbeat that were handed to it', async () => {
    await start();
    await Promise.all([declare('v1', 'a'), declare('v2', 'b')]);
    await Promise.all([runsAt('v1', 'a'), runsAt('v2', 'b')]);
    sites.startUnordered('b', 'v1', MACHINE);
    sites.startUnordered('b', 'v3', MACHINE);
    await beats();
    expect(reported.get('a')).toEqual(['v1']);
    expect(reported.get('b')).toEqual(['v2']);
    expect(mover.machines.foreignVms!()).toBe(2);
  });

  test('cannot prevent that the VM starts at its home', async () => {
    await start();
    await beats();
    sites.startUnordered('b', 'v9', MACHINE);
    await beats();
    await declare('v9', 'a');
    await vi.waitFor(() => expect(sites.runningSites('v9')).toContain('a'), PATIENTLY);
    await beats();
    expect(reported.get('a')).toEqual(['v9']);
    expect(reported.get('b')).toEqual([]);
  });
});

describe('a site that does not answer', () => {
  test('cannot prevent that VMs of other sites start, move and are removed', async () => {
    at('c', silence);
    await start();
    await Promise.all([declare('w1', 'c'), declare('w2', 'c'), declare('v1', 'a')]);
    await runsAt('v1', 'a');
    await move('v1', 'a', 'b');
    await runsAt('v1', 'b');
    await retire('v1');
    await runsAt('v1');
  });

  test('gets the orders for its VMs when it answers again', async () => {
    await start();
    sites.unreachable.add('c');
    await declare('w1', 'c');
    await declare('v1', 'a');
    await runsAt('v1', 'a');
    expect(sites.runningSites('w1')).toEqual([]);
    sites.unreachable.clear();
    await runsAt('w1', 'c');
    sites.unreachable.add('c');
    await retire('w1');
    // The VM may still run at c, so a does not get it.
    await declare('w1', 'a');
    await declare('v2', 'a');
    await runsAt('v2', 'a');
    expect(sites.runningSites('w1')).toEqual(['c']);
    sites.unreachable.clear();
    await runsAt('w1');
    // The record is deleted some time after the removal: once the answer of the site has arrived.
    await vi.waitFor(async () => expect(await store.get(handedKey('w1'))).toBeUndefined(), PATIENTLY);
    await declare('w1', 'a');
    await runsAt('w1', 'a');
  });
});

describe('a VM that has moved', () => {
  test('stays at its destination after a restart, for any reports of the sites', async () => {
    await start();
    await declare('v1', 'a');
    await runsAt('v1', 'a');
    await move('v1', 'a', 'b');
    await mover.stop();
    sites.lie = ({ site, what }) => {
      if (site === 'a' || what === 'start') return undefined;
      return (response) => response.end(JSON.stringify({ atMs: Date.now() }));
    };
    await start();
    await declare('v1', 'a');
    await declare('v2', 'a');
    await runsAt('v2', 'a');
    expect(sites.runningSites('v1')).toEqual(['b']);
  });

  test('is found by a process without records, and is not started twice', async () => {
    await start(false);
    await declare('v1', 'a');
    await runsAt('v1', 'a');
    await move('v1', 'a', 'b');
    await mover.stop();
    store = memoryStore();
    sites.unreachable.add('b');
    await start(false);
    await declare('v1', 'a');
    await declare('v2', 'a');
    await vi.waitFor(() => expect(reported.has('a')).toBe(true), PATIENTLY);
    // Without records, a silent site may run any VM.
    expect([...sites.runningSites('v1'), ...sites.runningSites('v2')]).toEqual(['b']);
    sites.unreachable.clear();
    await runsAt('v2', 'a');
    expect(sites.runningSites('v1')).toEqual(['b']);
    await beats();
    expect(reported.get('b')).toEqual(['v1']);
  });
});
