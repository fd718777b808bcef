/** An interruption that a client reports becomes a figure of the move that caused it. */
import { afterEach, describe, expect, test } from 'vitest';
import { registerIngest } from '#services/ingest/http.ts';
import { createIngest } from '#services/ingest/service.ts';
import { createMonitor } from '#services/monitor/service.ts';
import { createHttp } from '#services/runtime/http.ts';
import { knownSites } from '#services/sites/known.ts';
import type { Data, Event } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { Harness } from '../property/harness.ts';
import { SPEC } from '../unit/shared/policy/world.ts';
import { bus, data, fullSpec, NOW_MS, ownIngest, published, start } from './ingest-world.ts';

ownIngest();

const gapReport = { vm: 'v1', user: 'ann', atMs: NOW_MS - 1000, gapMs: 431.5, resets: 1, lostBytes: 64 };

async function oneVm(yaml = '') {
  const world = await start(yaml);
  await world.ingest.declareVm('v1', 'east', fullSpec);
  for (const user of ['ann', 'bob', 'cy']) await world.ingest.attach('v1', user, 1);
  return world;
}

describe('POST /v1/interruptions', () => {
  test('is published with the key of the VM; a repeat has the same id, and the bus drops it', async () => {
    const { ask } = await oneVm();
    const answer = { status: 202, body: { accepted: 1, implausible: {}, unattached: 0 } };
    expect(await ask('POST', '/v1/interruptions', gapReport)).toEqual(answer);
    expect(await ask('POST', '/v1/interruptions', gapReport)).toEqual(answer);
    const events = await published('interruption.reported.v1');
    expect(events.map(({ partitionkey, data }) => ({ partitionkey, data }))).toEqual([
      { partitionkey: 'v1', data: gapReport },
    ]);
    // Another gap at the same instant is another report.
    await ask('POST', '/v1/interruptions', { ...gapReport, gapMs: 90 });
    expect(await published('interruption.reported.v1')).toHaveLength(2);
  });

  test('gets the present time and no losses by default; it may be an array or NDJSON', async () => {
    const { ask } = await oneVm();
    const little = { vm: 'v1', user: 'ann', gapMs: 60 };
    const list = [little, { ...little, user: 'bob' }];
    expect((await ask('POST', '/v1/interruptions', list)).body).toEqual({
      accepted: 2,
      implausible: {},
      unattached: 0,
    });
    const lines = `${JSON.stringify({ ...little, user: 'cy' })}\n`;
    expect((await ask('POST', '/v1/interruptions', lines, 'application/x-ndjson')).body).toMatchObject({ accepted: 1 });
    expect(data(await published('interruption.reported.v1'))).toEqual(
      ['ann', 'bob', 'cy'].map((user) => ({ vm: 'v1', user, atMs: NOW_MS, gapMs: 60, resets: 0, lostBytes: 0 })),
    );
  });

  test('has the same pseudonym of a user as the locations', async () => {
    const { ingest, ask } = await oneVm('ingest: { pseudonymKey: a key of sixteen or more }');
    await ingest.attach('v1', 'Jürgen A.', 1);
    expect((await ask('POST', '/v1/interruptions', { ...gapReport, user: 'Jürgen A.' })).status).toBe(202);
    const attached = (await published('session.attached.v1')).at(-1);
    const [reported] = await published('interruption.reported.v1');
    const { user } = reported!.data as Data<'interruption.reported.v1'>;
    expect(user).toMatch(/^u[0-9a-f]{16}$/);
    expect(user).toBe((attached!.data as Data<'session.attached.v1'>).user);
  });

  test.each<[string, unknown, number, string]>([
    ['a missing field', { vm: 'v1', user: 'ann' }, 400, 'EVENT_INVALID'],
    ['a negative gap', { ...gapReport, gapMs: -1 }, 400, 'EVENT_INVALID'],
    ['an unknown key', { ...gapReport, lat: 3 }, 400, 'EVENT_INVALID'],
    ['a gap of 1e308 ms', { ...gapReport, gapMs: 1e308 }, 400, 'EVENT_INVALID'],
    ['half a reset', { ...gapReport, resets: 0.5 }, 400, 'EVENT_INVALID'],
    ['a VM that was not declared', { ...gapReport, vm: 'v9' }, 404, 'VM_UNKNOWN'],
  ])('with %s is refused as a whole', async (_fault, wrong, status, code) => {
    const { ask } = await oneVm();
    expect(await ask('POST', '/v1/interruptions', [gapReport, wrong])).toMatchObject({
      status,
      body: { error: { code } },
    });
    expect(await published('interruption.reported.v1')).toEqual([]);
  });

  test('of a user who is not attached to the VM is counted, and not published', async () => {
    const { ask } = await oneVm();
    const receipt = { accepted: 0, implausible: {}, unattached: 1 };
    expect((await ask('POST', '/v1/interruptions', { ...gapReport, user: 'a-stranger' })).body).toEqual(receipt);
    expect(await published('interruption.reported.v1')).toEqual([]);
  });

  test('with a time in the future, or too old, is counted, and not published', async () => {
    const { ask } = await oneVm();
    const list = [
      { ...gapReport, atMs: NOW_MS + 60_001 },
      { ...gapReport, atMs: NOW_MS - 600_001 },
    ];
    const receipt = { accepted: 0, implausible: { future: 1, stale: 1 }, unattached: 0 };
    expect(await ask('POST', '/v1/interruptions', list)).toEqual({ status: 202, body: receipt });
    expect(await published('interruption.reported.v1')).toEqual([]);
  });

  test('gets 503 while ingest is stopped', async () => {
    const { ingest, ask } = await oneVm();
    await ingest.stop();
    expect(await ask('POST', '/v1/interruptions', gapReport)).toMatchObject({ status: 503 });
    await bus.idle();
  });
});

describe('a move', () => {
  const closers: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  /** Starts ingest, placement, migrator and monitor over simulated machines. */
  async function world() {
    const harness = await Harness.create({ vms: 1 });
    const { bus, clock, config } = harness;
    const log = createLog('silent');
    const ingest = createIngest({
      bus,
      store: memoryStore(),
      clock,
      config: config.ingest,
      sites: knownSites(memoryStore(), config.sites),
      log,
    });
    const monitor = createMonitor({ bus, store: harness.store, clock, log, partitions: 4 });
    const http = await createHttp({ config: { ...config.http, port: 0 }, log });
    registerIngest(http, { ingest, clock, config });
    await monitor.start();
    await ingest.start();
    await ingest.declareVm('v0', 's0', SPEC);
    await ingest.attach('v0', 'u0', 1);
    const { url } = await http.listen();
    const reported: Event[] = [];
    await bus.subscribe({ group: 'test', types: ['interruption.reported.v1'] }, async (batch) => {
      reported.push(...batch.map(({ event }) => event));
    });
    closers.push(
      () => harness.close(),
      () => ingest.stop(),
      () => monitor.stop(),
      () => http.close(),
    );
    const report = async (gapMs: number) => {
      const body = JSON.stringify({ vm: 'v0', user: 'u0', gapMs });
      const headers = { 'content-type': 'application/json' };
      expect((await fetch(`${url}/v1/interruptions`, { method: 'POST', headers, body })).status).toBe(202);
      await harness.settle();
    };
    await harness.ask(() => harness.placementOf('v0')?.order('v0', 's1'));
    return { harness, monitor, report, reported };
  }

  test('has the worst interruption of each client as its figure, not the estimate of the hypervisor', async () => {
    const { harness, monitor, report } = await world();
    await harness.runUntil('memory');
    await report(5_000);
    await harness.runUntil('switch');
    await report(431);
    await harness.runUntil('release');
    await report(400);
    await harness.finishMoves();
    await report(9_000);
    const ends = harness.of('migration.completed.v1').map(({ data }) => data.figures);
    expect(ends).toMatchObject([{ clientGapMs: 431, interruptionMs: 431 }]);
    expect(ends[0]!.pauseMs).toBeGreaterThan(0);
    const text = await monitor.metrics();
    expect(text).toMatch(/^tagalong_client_gap_seconds_count 4$/m);
    expect(text).toMatch(/^tagalong_migration_interruption_seconds_sum\{outcome="completed"\} 0\.431$/m);
  });

  test('without a report has the estimate of the hypervisor', async () => {
    const { harness } = await world();
    await harness.finishMoves();
    const [end] = harness.of('migration.completed.v1').map(({ data }) => data.figures);
    expect(end).not.toHaveProperty('clientGapMs');
    expect(end!.interruptionMs).toBeGreaterThan(end!.pauseMs);
  });

  test.each(['switch', 'release'])(
    'keeps a report from the step %s over a restart of the migrator, and counts a repeat once',
    async (state) => {
      const { harness, report, reported } = await world();
      await harness.runUntil(state);
      await report(431);
      await harness.stop('migrator', 0);
      await harness.repeat(reported[0]!);
      await harness.finishMoves();
      expect(harness.of('migration.completed.v1').map(({ data }) => data.figures.clientGapMs)).toEqual([431]);
    },
  );
});
