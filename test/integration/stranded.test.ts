/** A home that nobody knows, and a site that is gone while VMs are there: it costs those VMs, and nothing else. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { keptMachines } from '#services/agent/kept.ts';
import { createSystem, type System } from '#services/system.ts';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';

const START_MS = Date.UTC(2026, 2, 2, 12);
const spec = { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e8 };
const PLACES = { boston: [42.36, -71.06], 'new-york': [40.71, -74.01], chicago: [41.88, -87.63] } as const;
type Place = keyof typeof PLACES;

let bus: MemoryBus;
let store: Store;
let clock: VirtualClock;
let logged: string[];
let systems: System[];
beforeEach(() => {
  store = memoryStore();
  clock = virtualClock(START_MS);
  [logged, systems] = [[], []];
});
afterEach(() => Promise.all(systems.map((system) => system.stop())));

/** All services in one process, on the store that outlives it, with some sites. */
async function up(...sites: Place[]) {
  await Promise.all(systems.splice(0).map((system) => system.stop()));
  bus = memoryBus();
  const uplinks = [{ provider: 'a', rateBps: 1e8 }];
  const list = sites.map((site) => ({ site, lat: PLACES[site][0], lon: PLACES[site][1], slots: 5, uplinks }));
  const config = parseConfig(JSON.stringify({ http: { port: 0 }, sites: list }), 'test');
  const log = createLog('info', { write: (line) => void logged.push(line) });
  const machines = keptMachines(config, clock, store, log);
  const system = createSystem({ config, clock, bus, store, log, machines });
  systems.push(system);
  await system.start();
  const { url } = await system.listen();
  const ask = async (method: string, path: string, body?: unknown) => {
    const headers = { 'content-type': 'application/json' };
    const sent = body === undefined ? {} : { body: JSON.stringify(body), headers };
    const response = await fetch(url + path, { method, ...sent });
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  };
  return { system, ask };
}

/** Lets time pass, and everything that follows from it happen. */
async function pass(ms: number) {
  for (let i = 0; i < ms; i += 1000) {
    clock.advanceTo(clock.now() + 1000);
    await settle();
  }
}

async function settle() {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  await bus.idle();
}

/** The home of a VM, as `status` has it. */
const homeOf = (system: System, name: string) => system.placement.status().vms.find(({ vm }) => vm === name)?.home;

describe('a home that nobody knows', () => {
  test('is refused with the site that was meant, and nothing is declared', async () => {
    const { ask } = await up('boston', 'new-york');
    const { status, body } = await ask('PUT', '/v1/vms/ghost', { home: 'bostom', spec });
    expect([status, body.error.code]).toEqual([400, 'SITE_UNKNOWN']);
    expect(body.error.message).toContain('did you mean boston?');
    expect((await ask('DELETE', '/v1/vms/ghost')).body.error.code).toBe('VM_UNKNOWN');
    expect((await ask('PUT', '/v1/vms/ghost', { home: 'boston', spec })).status).toBe(204);
  });
});

describe('a site that is gone while a VM is there', () => {
  test('costs that VM alone: everything starts, and the next move of another VM completes', async () => {
    const before = await up('boston', 'new-york', 'chicago');
    for (const [vm, home] of [
      ['web-1', 'chicago'],
      ['web-2', 'boston'],
    ] as const) {
      expect((await before.ask('PUT', `/v1/vms/${vm}`, { home, spec })).status).toBe(204);
    }
    await settle();
    const { ask, system } = await up('boston', 'new-york');
    await settle();
    expect((await ask('GET', '/readyz')).status).toBe(200);
    expect(logged.filter((line) => line.includes('stranded')).map((line) => JSON.parse(line))).toMatchObject([
      { vm: 'web-1', site: 'chicago' },
    ]);
    expect((await ask('POST', '/v1/vms/web-2/moves', { to: 'new-york' })).status).toBe(202);
    await pass(120_000);
    expect(homeOf(system, 'web-2')).toBe('new-york');
  });

  test('is there again with all its VMs when it is declared again', async () => {
    await (await up('boston', 'chicago')).ask('PUT', '/v1/vms/web-1', { home: 'chicago', spec });
    await settle();
    await up('boston');
    await settle();
    const { ask, system } = await up('boston', 'chicago');
    await settle();
    expect((await ask('POST', '/v1/vms/web-1/moves', { to: 'boston' })).status).toBe(202);
    await pass(120_000);
    expect(homeOf(system, 'web-1')).toBe('boston');
  });

  test('leaves nothing behind of a VM that is retired then', async () => {
    await (await up('boston', 'chicago')).ask('PUT', '/v1/vms/web-1', { home: 'chicago', spec });
    await settle();
    const { ask, system } = await up('boston');
    expect((await ask('DELETE', '/v1/vms/web-1')).status).toBe(204);
    await settle();
    expect(system.placement.status().vms).toEqual([]);
    expect(await store.list('simulated/vm/')).toEqual([]);
    expect(await store.list('ingest/vm/')).toEqual([]);
  });
});
