/** All services in one process, with the sites of a test, on a store that survives them. */
import { afterEach, beforeEach } from 'vitest';
import { createSystem, type System } from '#services/process/system.ts';
import { keptMachines } from '#services/sites/hosts/kept.ts';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';

const START_MS = Date.UTC(2026, 2, 2, 12);
export const spec = { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e8 };
const PLACES = { boston: [42.36, -71.06], 'new-york': [40.71, -74.01], chicago: [41.88, -87.63] } as const;
type Place = keyof typeof PLACES;

export let bus: MemoryBus;
export let store: Store;
export let clock: VirtualClock;
let lines: string[];
let systems: System[];

/** Gives each test of the calling file its own store and clock. Files share this module, so each file has to call it. */
export function ownSites(): void {
  beforeEach(() => {
    store = memoryStore();
    clock = virtualClock(START_MS);
    [lines, systems] = [[], []];
  });
  afterEach(() => Promise.all(systems.map((system) => system.stop())));
}

/** The body that declares this site over HTTP. */
export function bodyOf(site: Place) {
  const [lat, lon] = PLACES[site];
  return { lat, lon, slots: 5, uplinks: [{ provider: 'a', rateBps: 1e8 }] };
}

/** The lines of the log so far that contain these words. */
export function logged(words: string): Record<string, unknown>[] {
  return lines.filter((line) => line.includes(words)).map((line) => JSON.parse(line));
}

/** Starts all services in one process on the store, with these sites; the last process stops. */
export async function up(...sites: Place[]) {
  await Promise.all(systems.splice(0).map((system) => system.stop()));
  bus = memoryBus();
  return beside(...sites);
}

/** Starts all services once more, in a further process on the same bus and store. The first process stays the leader. */
export async function beside(...sites: Place[]) {
  const list = sites.map((site) => ({ site, ...bodyOf(site) }));
  const config = parseConfig(JSON.stringify({ http: { port: 0 }, sites: list }), 'test');
  const log = createLog('info', { write: (line) => void lines.push(line) });
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

/** Advances the clock second by second, and waits each time until the services have handled everything. */
export async function pass(ms: number) {
  for (let i = 0; i < ms; i += 1000) {
    clock.advanceTo(clock.now() + 1000);
    await settle();
  }
}

export async function settle() {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  await bus.idle();
}

/** The home of a VM in `status`. */
export const homeOf = (system: System, name: string) =>
  system.placement.status().vms.find(({ vm }) => vm === name)?.home;

/** The names of the sites in `status`. */
export const siteNames = (system: System) => system.placement.status().sites.map(({ site }) => site);
