/** Ingest with its HTTP interface. */
import { afterEach, beforeEach, expect } from 'vitest';
import { registerIngest } from '#services/ingest/http.ts';
import { createIngest, type Ingest } from '#services/ingest/service.ts';
import { createHttp, type HttpSurface } from '#services/runtime/http.ts';
import { knownSites } from '#services/sites/known.ts';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { EVENT_TYPES, type Event, type EventType } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';

export const NOW_MS = Date.UTC(2026, 2, 2, 12);
export const here = { lat: 41.4993, lon: -81.6944 };
export const spec = { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e8 };
export const fullSpec = { ...spec, diskBytes: 0, downtimeLimitMs: 300, targetRttMs: 10 };

export let bus: MemoryBus;
export let store: Store;
export let clock: VirtualClock;
export let seen: Event[];
export let logged: string[];
let closers: (() => Promise<void>)[];

/** Gives each test of the calling file its own bus, store and clock. Files share this module, so each file has to call it. */
export function ownIngest(): void {
  beforeEach(async () => {
    bus = memoryBus();
    store = memoryStore();
    clock = virtualClock(NOW_MS);
    seen = [];
    logged = [];
    closers = [() => bus.close()];
    await bus.subscribe({ group: 'test', types: EVENT_TYPES }, async (batch) => {
      seen.push(...batch.map(({ event }) => event));
    });
  });

  afterEach(async () => {
    for (const close of closers.reverse()) await close();
  });
}

const log = createLog('trace', { write: (line) => void logged.push(line) });

/** Starts one process with ingest. */
export async function start(yaml = '', on: { bus: Pick<MemoryBus, keyof MemoryBus> } = { bus }) {
  const config: Config = parseConfig(yaml.includes('http:') ? yaml : `http: { port: 0 }\n${yaml}`, 'test');
  const sites = knownSites(store, [{ site: 'east' }, ...config.sites]);
  const ingest = createIngest({ bus: on.bus, store, clock, config: config.ingest, sites, log });
  const surface: HttpSurface = await createHttp({ config: config.http, log });
  registerIngest(surface, { ingest, clock, config });
  await ingest.start();
  const { url } = await surface.listen();
  closers.push(
    () => surface.close(),
    () => ingest.stop(),
  );
  return { ingest, url, ask: asker(url) };
}

function asker(url: string) {
  return async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const sent =
      body === undefined
        ? {}
        : { headers: { 'content-type': type }, body: typeof body === 'string' ? body : JSON.stringify(body) };
    const response = await fetch(url + path, { method, ...sent });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
}

/** The published events of these types, in order of subject and time. */
export async function published(...types: EventType[]): Promise<Event[]> {
  await bus.idle();
  return seen.filter(({ type }) => types.includes(type));
}
export const data = (events: Event[]) => events.map((event) => event.data);

export async function twoVmsAndAnn(ingest: Ingest) {
  for (const vm of ['v1', 'v2']) {
    await ingest.declareVm(vm, 'east', fullSpec);
    await ingest.attach(vm, 'ann', 1);
  }
}

/** Asserts that a body is refused, and that the first fault names this field of it. */
export function expectFault(
  answer: { status: number; body: { error?: { code: string; message?: string } } },
  field: string,
) {
  const { status, body } = answer;
  expect({ status, code: body.error?.code }).toEqual({ status: 400, code: 'EVENT_INVALID' });
  expect(body.error?.message?.slice(0, field.length + 2)).toBe(`${field}: `);
}
