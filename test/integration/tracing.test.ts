/** A move becomes a trace, from the position that causes it to its end. A collector receives it over OTLP. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createPacedSystem, type PacedSystem } from '#services/process/paced-system.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { type PacedClock, pacedClock } from '#shared/clock/paced.ts';
import { parseConfig } from '#shared/config/load.ts';
import { EVENT_TYPES, type Event, envelop, PHASES, readTraceparent } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { type Collector, startCollector } from '../servers/otlp.ts';
import { decided } from '../unit/shared/migration/world.ts';

const START_MS = Date.UTC(2026, 2, 2, 12);
const THEIRS = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const TOKEN = 'a token of more than sixteen';

let collector: Collector;
let clock: PacedClock;
let system: PacedSystem;
let logged: string[];
let seen: Event[];
/** Published at the start of the move. */
let forged: Event[];
/** The metrics after the move. */
let metrics: string;

beforeEach(async () => {
  collector = await startCollector();
  const uplinks = [{ provider: 'a', rateBps: 125_000_000 }];
  const spec = { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e7 };
  const config = parseConfig(
    JSON.stringify({
      http: { port: 0 },
      policy: { name: 'nearest' },
      tracing: { otlpUrl: collector.url, token: TOKEN },
      sites: [
        { site: 'west', lat: 52, lon: 4, slots: 2, uplinks },
        { site: 'east', lat: 52, lon: 9, slots: 2, uplinks },
      ],
      vms: [{ vm: 'v1', home: 'west', spec, sessions: [{ user: 'ann' }] }],
    }),
    'test',
  );
  clock = pacedClock(START_MS, Number.POSITIVE_INFINITY);
  logged = [];
  seen = [];
  forged = [];
  const log = createLog('info', { write: (line) => void logged.push(line) });
  const bus = memoryBus();
  await bus.subscribe({ group: 'test', types: EVENT_TYPES }, async (batch) => {
    seen.push(...batch.map(({ event }) => event));
    if (batch.some(({ event }) => event.type === 'migration.started.v1')) await bus.publish(forged);
  });
  system = createPacedSystem({ config, clock, bus, store: memoryStore(), log });
  await system.start();
});
afterEach(async () => {
  await system.stop();
  await collector.stop();
});

const pass = (ms: number) => clock.paceTo(clock.now() + ms, () => system.settle());

async function followAnnEast(headers: Record<string, string> = {}) {
  const { url } = await system.listen();
  await pass(10_000);
  const response = await fetch(`${url}/v1/locations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ user: 'ann', lat: 52, lon: 9, atMs: START_MS + 9000 }),
  });
  expect(response.status).toBe(202);
  await system.settle();
  await pass(120_000);
  metrics = await (await fetch(`${url}/metrics`)).text();
  // Stopping sends all ended spans.
  await system.stop();
  return collector.spans;
}

test('a move is a span with a child for each part, without gaps and without positions', async () => {
  const spans = await followAnnEast();
  const names = spans.map(({ name }) => name);
  expect(names.slice(0, 3)).toEqual(['move', 'decide', 'queue']);
  expect(names.slice(3)).toEqual(PHASES.filter((phase) => names.includes(phase)));
  expect(names).toEqual(expect.arrayContaining(['prepare', 'memory', 'switch', 'release']));
  const [move, ...parts] = spans;
  expect(move).toMatchObject({ parentSpanId: undefined, fromMs: START_MS + 9000, status: {} });
  const [completed] = seen.filter(({ type }) => type === 'migration.completed.v1') as Extract<
    Event,
    { type: 'migration.completed.v1' }
  >[];
  const { figures } = completed!.data;
  expect(move!.attributes).toMatchObject({
    'tagalong.vm': 'v1',
    'tagalong.from': 'west',
    'tagalong.to': 'east',
    'tagalong.outcome': 'completed',
    'tagalong.pause_ms': figures.pauseMs,
  });
  let atMs = move!.fromMs;
  for (const part of parts) {
    expect(part).toMatchObject({ traceId: move!.traceId, parentSpanId: move!.spanId, fromMs: atMs });
    atMs = part.toMs;
  }
  expect(atMs, 'the parts reach the end').toBe(move!.toMs);
  expect(completed!.data.atMs).toBe(move!.toMs);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
  expect([...collector.authorizations]).toEqual([`Bearer ${TOKEN}`]);
  expect(JSON.stringify(spans)).not.toMatch(/ann"|"lat|52\.|\b9\.0/);
});

test('every event of a move carries its context, and the log of the migrator names its trace', async () => {
  const [move] = await followAnnEast();
  const ofMove = seen.filter(({ type }) => type === 'placement.decided.v1' || type.startsWith('migration.'));
  expect(ofMove.length).toBeGreaterThan(4);
  for (const { traceparent } of ofMove) {
    expect(readTraceparent(traceparent)).toEqual({ traceId: move!.traceId, spanId: move!.spanId });
  }
  const lines = logged.map((line) => JSON.parse(line) as Record<string, unknown>);
  const ended = lines.find(({ event }) => event === 'migration.completed.v1');
  expect(ended).toMatchObject({ migration: 'v1:1', trace: move!.traceId });
});

test('the trace of a move links to the trace of the sender of the position', async () => {
  const spans = await followAnnEast({ traceparent: THEIRS });
  const location = seen.find(({ type }) => type === 'location.reported.v1');
  expect(location).toMatchObject({ traceparent: THEIRS });
  expect(spans.find(({ name }) => name === 'decide')!.links).toMatchObject([
    { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' },
  ]);
});

test('an invalid trace context of the sender is dropped', async () => {
  const spans = await followAnnEast({ traceparent: 'x; drop' });
  expect(seen.find(({ type }) => type === 'location.reported.v1')).not.toHaveProperty('traceparent');
  expect(spans.find(({ name }) => name === 'decide')!.links).toEqual([]);
});

test('forged decisions and ends get no trace, are counted, and the true end of the move gets its trace', async () => {
  const figures = { durationMs: 1, pauseMs: 1, interruptionMs: 1, bytes: 1, bytesByPath: {}, rounds: 1, subflows: 1 };
  const move = (migration: string, to: string) => ({ migration, vm: 'v1', from: 'west', to, atMs: START_MS + 9000 });
  const how = { code: 'X', reason: 'x', runsAt: 'west', figures: { ...figures, degraded: [] } };
  const failed = { ...how, phase: 'memory' } as const;
  forged = [
    envelop({ type: 'migration.failed.v1', data: { ...move('v1:1', 'atlantis'), ...failed } }, 'f1', '/test'),
    envelop(decided('v1', 9, { from: 'west', to: 'east', atMs: START_MS + 9000 }), 'f2', '/test'),
    envelop({ type: 'migration.failed.v1', data: { ...move('v1:9', 'east'), ...failed } }, 'f3', '/test'),
  ];
  const moves = (await followAnnEast()).filter(({ name }) => name === 'move');
  expect(moves.map(({ attributes }) => attributes['tagalong.outcome'])).toEqual(['completed']);
  expect(metrics).toContain('\ntagalong_tracer_events_refused_total 3\n');
});
