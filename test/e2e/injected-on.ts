/** Injects repeated, late and invalid messages into running services. They change nothing and stop nothing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { DeadLetterLine } from '#services/dead-letters/records.ts';
import { createSystem, type System } from '#services/process/system.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { EVENT_TYPES, type Event } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import { PATIENTLY } from '../patience.ts';
import { file, tagalong } from './cli.ts';
import { asPublished, FOREIGN, type Foreign, poison } from './foreign.ts';

const PARTITIONS = 4;
const SITES = ['s0', 's1', 's2', 's3'];
const USERS = [0, 1, 2, 3];
const log = createLog('silent');
const lon = (site: number) => 4 + (site % SITES.length) * 1.5;

/** A running server. */
export interface WiredServer {
  readonly url: string;
  /** Publishes messages in order directly on the server, without the bus of the installation. */
  put(prefix: string, messages: readonly Foreign[]): Promise<void>;
  stop(): Promise<void>;
}

const settingsOf = (url: string, prefix: string) => ({
  bus: { url, prefix, partitions: PARTITIONS },
  store: { url, prefix },
  http: { port: 0 },
  ingest: { plausibility: { maxSpeedMps: 3e8 } },
  policy: { name: 'nearest', siteSilentMs: 60_000 },
  limits: { movesPerSite: 4, movesPerPath: 4 },
  heartbeatMs: 500,
  sites: SITES.map((site, i) => ({
    ...{ site, lat: 52, lon: lon(i), slots: 8 },
    uplinks: ['a', 'b'].map((provider) => ({ provider, rateBps: 125_000_000 })),
  })),
  vms: USERS.map((i) => ({
    ...{ vm: `v${i}`, home: SITES[i], sessions: [{ user: `u${i}` }] },
    spec: { ramBytes: 1e8, dirtyRateBps: 1e6, workingSetBytes: 1e6 },
  })),
});

/** Records the events of an installation, and summarizes them. */
class EventLog {
  readonly events = new Map<string, Event>();

  take(event: Event): void {
    const isNews = !event.id.startsWith(FOREIGN) && !this.events.has(event.id);
    if (isNews) this.events.set(event.id, event);
  }

  of<T extends Event['type']>(...types: T[]): Extract<Event, { type: T }>[] {
    return [...this.events.values()].filter(({ type }) => (types as string[]).includes(type)) as never;
  }

  /** All decisions and the ends of their moves, without times. */
  get story() {
    const decided = this.of('placement.decided.v1').map(
      ({ data: { decision, verdict, from, to, reason } }) => `${decision} ${verdict} ${from} ${to} ${reason}`,
    );
    const ended = this.of('migration.completed.v1', 'migration.failed.v1', 'migration.cancelled.v1').map(
      ({ type, data: { migration, from, to } }) => `${migration} ${type} ${from} ${to}`,
    );
    return { decided: decided.sort(), ended: ended.sort() };
  }
}

/** @param start starts the server */
export function injectedOn(start: () => Promise<WiredServer>): void {
  let server: WiredServer;
  beforeAll(async () => {
    server = await start();
  }, 90_000);
  afterAll(() => server?.stop());

  test('repeated, late and invalid messages change nothing, and invalid ones become dead letters', async () => {
    const settings = settingsOf(server.url, 'plain');
    const untouched = await ride(settings, async () => {});
    expect(untouched.story.ended).toHaveLength(2 * USERS.length);

    const injected = settingsOf(server.url, 'injected');
    let put = 0;
    const touched = await ride(injected, async (published) => {
      const messages = foreignTo(published);
      put += messages.length;
      await server.put('injected', messages);
    });
    expect(put).toBeGreaterThan(100);
    expect(touched.story).toEqual(untouched.story);
    expect(touched.homes).toEqual(untouched.homes);
    expect(touched.counted, 'a position counts once').toBe(untouched.counted);
    expect(touched.refused, 'repeated and late positions are refused').toBeGreaterThan(0);

    const config = await file('injected.json', JSON.stringify(injected));
    const { stdout } = await tagalong(['dead-letters', 'list', '--config', config, '--json']);
    const lines = JSON.parse(stdout) as DeadLetterLine[];
    expect(new Set(lines.map(({ code }) => code))).toEqual(new Set(['EVENT_INVALID']));
    for (const reason of REASONS) expect(lines.map((line) => line.reason).join('\n')).toMatch(reason);
  }, 200_000);
}

/** Moves users from site to site, so that their VMs follow. @param meanwhile runs while moves are under way, and after they end */
async function ride(settings: ReturnType<typeof settingsOf>, meanwhile: (published: EventLog) => Promise<void>) {
  const config = parseConfig(JSON.stringify(settings), 'test');
  const [bus, store, listenerBus] = [
    await openBus(config, log),
    await openStore(config, log),
    await openBus(config, log),
  ];
  const system = createSystem({ config, clock: realClock(), bus, store, log });
  const published = new EventLog();
  try {
    await listenerBus.subscribe({ group: 'test', types: EVENT_TYPES }, async (batch) => {
      for (const { event } of batch) published.take(event);
    });
    await system.start();
    await system.declare();
    for (let leg = 0; leg <= 2; leg++) {
      await report(system, leg);
      await meanwhile(published);
      await arrival(system, published, leg);
      await meanwhile(published);
    }
    await letters(published, store);
    const { counts } = system.placement;
    const counted = (counts.get('quiet') ?? 0) + (counts.get('looked') ?? 0);
    const all = [...counts.values()].reduce((sum, n) => sum + n, 0);
    return { story: published.story, homes: homesOf(system), counted, refused: all - counted };
  } finally {
    await system.stop();
    await listenerBus.close();
  }
}

/** Resolves when the store holds every dead letter that the bus announced. */
async function letters(published: EventLog, store: Awaited<ReturnType<typeof openStore>>): Promise<void> {
  let before = -1;
  await vi.waitFor(async () => {
    const rejected = published.of('event.rejected.v1').length;
    const kept = (await store.list('dead-letter/')).length;
    const calm = rejected === before && kept >= rejected;
    before = rejected;
    await sleep(500);
    expect(calm, `${kept} of ${rejected} are kept`).toBe(true);
  }, PATIENTLY);
}

async function report({ ingest }: System, leg: number): Promise<void> {
  const atMs = Date.now();
  const fixes = USERS.map((i) => ({ user: `u${i}`, lat: 52, lon: lon(i + leg), atMs }));
  expect((await ingest.locations(fixes)).accepted).toBe(USERS.length);
}

/** Resolves when each VM runs at the site of its user. */
async function arrival(system: System, published: EventLog, leg: number): Promise<void> {
  const expected = USERS.map((i) => `v${i} ${SITES[(i + leg) % SITES.length]}`);
  await vi.waitFor(() => {
    expect(homesOf(system)).toEqual(expected);
    expect(published.story.ended).toHaveLength(leg * USERS.length);
    expect(published.of('location.reported.v1')).toHaveLength((leg + 1) * USERS.length);
  }, PATIENTLY);
}

function homesOf({ placement }: System): string[] {
  return placement.status().vms.map(({ vm, home }) => `${vm} ${home}`);
}

/** The reasons that the list of dead letters must contain. */
const REASONS = [
  /not JSON/,
  /location\.reported\.v1 data\.lat: /,
  /type: "weather\.reported\.v9" is not known/,
  /partitionkey: must be a non-empty string/,
  /on partition \d, .* belongs to partition \d|publish it on injected\.\d/,
];

/** Repeats all events of each VM, and adds late and invalid messages. */
function foreignTo(published: EventLog): Foreign[] {
  const repeated = [...published.events.values()].filter(({ type }) => type !== 'event.rejected.v1');
  const messages = repeated.flatMap((event): Foreign[] => [
    asPublished(event, PARTITIONS),
    { ...asPublished(event, PARTITIONS), id: event.id },
    {
      ...asPublished(event, PARTITIONS),
      headers: { traceparent: '00-0-0-00', 'content-type': 'text/plain', 'x-foreign': 'ü' },
    },
  ]);
  return [...messages, ...USERS.flatMap((i) => poisonOf(published, `v${i}`))];
}

function poisonOf(published: EventLog, vm: string): Foreign[] {
  const last = published.of('location.reported.v1').findLast(({ data }) => data.vm === vm);
  if (last === undefined) return [];
  return poison(last, last.data.lon === lon(0) ? lon(2) : lon(0), PARTITIONS);
}
