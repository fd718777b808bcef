/** A program publishes forged events of migrations. Dashboard and monitor ignore them (rule 9). */
import { afterEach, describe, expect, test } from 'vitest';
import { createDashboard } from '#services/dashboard/service.ts';
import type { Picture } from '#services/dashboard/wire.ts';
import { createMonitor } from '#services/monitor/service.ts';
import { createHttp } from '#services/runtime/http.ts';
import { type Event, envelop, type Fact, type Figures } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import type { Store } from '#shared/store/store.ts';
import { Harness } from '../property/harness.ts';
import { decided } from '../unit/shared/migration/world.ts';

const FIGURES: Figures = {
  durationMs: 900,
  pauseMs: 90,
  interruptionMs: 95,
  bytes: 1e9,
  bytesByPath: {},
  rounds: 3,
  subflows: 2,
  degraded: ['forced-stop'],
};
type Move = { migration: string; vm: string; from: string; to: string };

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** The real placement and migrator, with VM `v0` at `s0`. */
async function world(): Promise<Harness> {
  const harness = await Harness.create({ vms: 1 });
  closers.push(() => harness.close());
  return harness;
}

/** Starts a dashboard and a monitor. */
async function watch({ bus, clock, config, store, nowMs }: Harness, read: Store = store) {
  const lines: string[] = [];
  const log = createLog('info', { write: (line) => void lines.push(line) });
  const explain = () => Promise.reject(new Error('no explanation is expected'));
  const dashboard = createDashboard({ bus, clock, config, store: read, log, explain });
  const monitor = createMonitor({ bus, clock, store: read, log, partitions: config.bus.partitions });
  const http = await createHttp({ config: { ...config.http, port: 0 }, log });
  dashboard.registerHttp(http);
  const { url } = await http.listen();
  await monitor.start();
  await dashboard.start();
  closers.push(
    () => http.close(),
    () => monitor.stop(),
    () => dashboard.stop(),
  );
  const picture = async () => (await (await fetch(`${url}/dashboard/past?atMs=${nowMs + 1e9}`)).json()) as Picture;
  const metrics = async () =>
    (await monitor.metrics()).split('\n').filter((line) => /^tagalong_(migration|vms)/.test(line));
  return {
    picture,
    metrics,
    /** The moves of the dashboard, and the counts of the monitor. */
    seen: async () => {
      const { homes, moves, sites } = await picture();
      return { homes, moves, sites, counted: await metrics() };
    },
    refused: () => dashboard.refused,
    refusedByMonitor: async () =>
      Number(/^tagalong_monitor_migration_events_refused_total (\d+)$/m.exec(await monitor.metrics())![1]),
    complaints: () => lines.filter((line) => line.includes('events of migrations are ignored')),
  };
}

let serial = 0;
async function forge(harness: Harness, ...facts: Fact[]): Promise<void> {
  await harness.bus.publish(facts.map((fact): Event => envelop(fact, `forged-${serial++}`, '/tagalong/migrator')));
  await harness.settle();
}
/** The events of a whole forged move. */
function madeUp(move: Move, atMs: number): Fact[] {
  const data = { ...move, atMs };
  return [
    { type: 'migration.accepted.v1', data },
    { type: 'migration.started.v1', data: { ...data, paths: [] } },
    { type: 'migration.switched.v1', data: { ...data, pauseMs: 90 } },
    { type: 'migration.completed.v1', data: { ...data, figures: FIGURES } },
    {
      type: 'migration.failed.v1',
      data: { ...data, phase: 'memory', code: 'X', reason: 'x', runsAt: 'atlantis', figures: FIGURES },
    },
    { type: 'migration.cancelled.v1', data: { ...data, phase: 'memory', by: 'x', figures: FIGURES } },
  ];
}

/** Orders `v0` to `s1`, and waits until the copy of its memory. */
async function moving(harness: Harness): Promise<Move> {
  await harness.ask(() => harness.placementOf('v0')!.order('v0', 's1'));
  await harness.runUntil('memory');
  const [order] = harness.moves();
  return { migration: order!.decision, vm: 'v0', from: 's0', to: 's1' };
}

describe('during a move, a forged one', () => {
  test.each<[string, (move: Move) => Move]>([
    ['by an unknown decision', (move) => ({ ...move, migration: 'v0:99', from: 's0', to: 's2' })],
    ['of an unknown VM', (move) => ({ ...move, migration: 'ghost:1', vm: 'ghost' })],
    ['of another VM than in the decision', (move) => ({ ...move, vm: 'ghost' })],
    ['to an unknown site', (move) => ({ ...move, to: 'atlantis' })],
    ['from another site than the home of the VM', (move) => ({ ...move, from: 's2' })],
  ])('%s is neither shown nor counted, and the real move completes', async (_, wrong) => {
    const harness = await world();
    const watched = await watch(harness);
    const move = await moving(harness);
    const before = await watched.seen();
    expect(before.moves).toMatchObject([{ migration: move.migration, outcome: null }]);
    const facts = madeUp(wrong(move), harness.nowMs);
    await forge(harness, ...facts);
    expect(await watched.seen()).toEqual(before);
    expect([watched.refused(), await watched.refusedByMonitor()]).toEqual([facts.length, facts.length]);
    await harness.finishMoves();
    const after = await watched.seen();
    expect(after.homes).toEqual([['v0', 's1']]);
    expect(after.moves).toMatchObject([{ outcome: 'completed' }]);
    expect(after.counted).toContain('tagalong_migrations_total{outcome="completed",reason="none"} 1');
    expect(after.counted).toContain('tagalong_migrations_in_progress 0');
  });

  test('with a pause longer than the time since its decision does not end the move', async () => {
    const harness = await world();
    const watched = await watch(harness);
    const move = await moving(harness);
    const before = await watched.seen();
    const data = { ...move, atMs: harness.nowMs, figures: { ...FIGURES, pauseMs: 1e12 } };
    await forge(harness, { type: 'migration.completed.v1', data });
    expect(await watched.seen()).toEqual(before);
    expect([watched.refused(), await watched.refusedByMonitor()]).toEqual([1, 1]);
    await harness.finishMoves();
    expect((await watched.seen()).moves).toMatchObject([{ outcome: 'completed' }]);
  });
});

test('forged events give one line of the log a minute, and each is counted', async () => {
  const harness = await world();
  const watched = await watch(harness);
  for (let i = 0; i < 50; i++) {
    await forge(harness, ...madeUp({ migration: `v0:${9 + i}`, vm: 'v0', from: 's0', to: 's1' }, harness.nowMs));
  }
  expect([watched.refused(), await watched.refusedByMonitor()]).toEqual([300, 300]);
  // One line of the dashboard, and one of the monitor.
  expect(watched.complaints()).toHaveLength(2);
  expect((await watched.picture()).moves).toEqual([]);
});

test('a forged decision and the events of its move are neither shown nor counted', async () => {
  const harness = await world();
  const watched = await watch(harness);
  await harness.pass(60_000);
  const before = await watched.seen();
  const forged = decided('v0', 7, { from: 's0', to: 's2', atMs: harness.nowMs });
  await forge(harness, forged, ...madeUp({ migration: 'v0:7', vm: 'v0', from: 's0', to: 's2' }, harness.nowMs));
  expect(await watched.seen()).toEqual(before);
  expect((await watched.picture()).decisions).toEqual([]);
  expect([watched.refused(), await watched.refusedByMonitor()]).toEqual([7, 7]);
});

describe('a dashboard and a monitor that start late', () => {
  test('show and count the end of a move that was decided before', async () => {
    const harness = await world();
    await moving(harness);
    const watched = await watch(harness);
    await harness.finishMoves();
    const { homes, moves, counted } = await watched.seen();
    expect(homes).toEqual([['v0', 's1']]);
    expect(moves).toMatchObject([{ from: 's0', to: 's1', outcome: 'completed' }]);
    expect(counted).toContain('tagalong_migrations_total{outcome="completed",reason="none"} 1');
    expect([watched.refused(), await watched.refusedByMonitor()]).toEqual([0, 0]);
  });

  test('ignore a forged move of a VM that they know from its site alone', async () => {
    const harness = await world();
    const watched = await watch(harness);
    await harness.pass(60_000);
    const before = await watched.seen();
    expect(before.homes).toEqual([['v0', 's0']]);
    await forge(harness, ...madeUp({ migration: 'v0:1', vm: 'v0', from: 's0', to: 's2' }, harness.nowMs));
    expect(await watched.seen()).toEqual(before);
    expect(watched.refused()).toBe(6);
  });

  test('count repeated events of an old move neither as a move nor as forged', async () => {
    const harness = await world();
    await moving(harness);
    await harness.finishMoves();
    await harness.ask(() => harness.placementOf('v0')!.order('v0', 's2'));
    await harness.finishMoves();
    expect(harness.moves()).toHaveLength(2);
    const watched = await watch(harness);
    const before = await watched.seen();
    const [old] = harness.of('migration.completed.v1');
    await harness.repeat(old!);
    expect(await watched.seen()).toEqual(before);
    expect([watched.refused(), await watched.refusedByMonitor()]).toEqual([0, 0]);
  });

  test('ignore events of moves that they cannot look up while the store is unreachable', async () => {
    const harness = await world();
    const move = await moving(harness);
    const broken: Store = { ...harness.store, get: () => Promise.reject(new Error('no answer')) };
    const watched = await watch(harness, broken);
    await forge(harness, ...madeUp({ ...move, to: 's2' }, harness.nowMs));
    expect((await watched.seen()).moves).toEqual([]);
    expect(watched.refused()).toBe(0);
    expect(watched.complaints()).toHaveLength(2);
  });
});
