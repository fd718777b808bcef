import { beforeEach, describe, expect, test } from 'vitest';
import { Fixes } from '#services/dashboard/fixes.ts';
import { HOUR_MS, Record } from '#services/dashboard/record.ts';
import { textOf } from '#services/dashboard/viewers.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { envelop, type Fact, type Figures } from '#shared/events/index.ts';

const START_MS = Date.UTC(2026, 2, 2, 12);
const FIGURES: Figures = {
  durationMs: 9_000,
  pauseMs: 90,
  interruptionMs: 95,
  bytes: 1e9,
  bytesByPath: { 'east~west/a': 6e8, 'east~west/b': 4e8 },
  rounds: 3,
  subflows: 2,
  degraded: [],
};
const MOVE = { migration: 'v:1', vm: 'v', from: 'west', to: 'east' };

let record: Record;
let nowMs: number;
let serial = 0;

const happens = (fact: Fact) => record.apply(envelop(fact, `e${serial++}`, '/test'), nowMs);
const site = (name: string, vms: string[] = [], draining = false) =>
  happens({
    type: 'site.reported.v1',
    data: { site: name, atMs: nowMs, lat: 50, lon: name === 'west' ? 4 : 6, slots: 8, vms, draining, uplinks: [] },
  });
const fix = (user: string, lat: number, lon: number, atMs = nowMs) =>
  happens({ type: 'location.reported.v1', data: { vm: 'v', user, atMs, lat, lon } });
const homesOf = (homes: readonly (readonly [string, string])[] | undefined) => Object.fromEntries(homes ?? []);
/** A move of `v` to the east that takes nine seconds. */
const move = () => {
  happens({ type: 'migration.accepted.v1', data: { ...MOVE, atMs: nowMs } });
  happens({ type: 'migration.started.v1', data: { ...MOVE, atMs: nowMs, paths: ['east~west/a', 'east~west/b'] } });
  nowMs += 5_000;
  const progress = { phase: 'memory' as const, round: 1, remainingBytes: 5e8, rateBps: 1e8, subflows: 2 };
  const bytesByPath = { 'east~west/a': 3e8, 'east~west/b': 2e8 };
  happens({
    type: 'migration.progressed.v1',
    data: { ...MOVE, ...progress, atMs: nowMs, sentBytes: 5e8, bytesByPath },
  });
  nowMs += 4_000;
  happens({ type: 'migration.switched.v1', data: { ...MOVE, atMs: nowMs, pauseMs: 90 } });
  happens({ type: 'migration.completed.v1', data: { ...MOVE, atMs: nowMs, figures: FIGURES } });
};

beforeEach(() => {
  nowMs = START_MS;
  record = new Record(DEFAULT_CONFIG, nowMs);
  site('west', ['v', 'w']);
  site('east');
  nowMs += 1_000;
});

test('an erased user is gone from the present and from the last hour, and other users stay', () => {
  fix('ann', 50.1, 4.2);
  fix('bob', 50.3, 4.4);
  happens({ type: 'session.detached.v1', data: { vm: 'v', user: 'ann', atMs: nowMs } });
  nowMs += 60_000;
  fix('ann', 50.2, 4.3);
  fix('bob', 50.3, 4.5);
  const all = () =>
    JSON.stringify([record.picture(nowMs), record.past(nowMs - 30_000, nowMs), record.past(nowMs, nowMs)]);
  expect(all()).toMatch(/ann.*bob/);
  happens({ type: 'user.erased.v1', data: { user: 'ann', atMs: nowMs } });
  expect(all()).toContain('bob');
  for (const trace of ['ann', '50100000', '50200000', '501000', '502000']) expect(all()).not.toContain(trace);
});

describe('the picture of now', () => {
  test('has sites with their load, homes, and users at their positions', () => {
    fix('ann', 50.1, 4.2);
    const { sites, homes, users, positions } = record.picture(nowMs);
    expect(sites).toMatchObject([
      { site: 'west', vms: 2, draining: false },
      { site: 'east', vms: 0 },
    ]);
    expect(homesOf(homes)).toEqual({ v: 'west', w: 'west' });
    expect(users).toEqual([[0, 'ann', 'v']]);
    expect(positions).toEqual([0, 5_010_000, 420_000]);
  });

  test('ignores teleports, repeats, and heartbeats from before the end of a move', () => {
    fix('ann', 50.1, 4.2);
    move();
    fix('ann', -10, 100);
    fix('ann', 50.1, 4.3, START_MS);
    // This heartbeat is older than the arrival, and arrives later.
    happens({
      type: 'site.reported.v1',
      data: {
        site: 'west',
        atMs: nowMs - 3_000,
        lat: 50,
        lon: 4,
        slots: 8,
        vms: ['v', 'w'],
        draining: false,
        uplinks: [],
      },
    });
    const { homes, positions } = record.picture(nowMs);
    expect(positions).toEqual([0, 5_010_000, 420_000]);
    expect(homesOf(homes).v).toBe('east');
  });

  test('has no user who arrived and left at the same instant', () => {
    const report = (presence: 'arrived' | 'left') =>
      happens({ type: 'location.reported.v1', data: { vm: 'v', user: 'ann', atMs: nowMs, lat: 50, lon: 4, presence } });
    report('arrived');
    report('left');
    expect(record.picture(nowMs).users).toHaveLength(1);
    nowMs += 60_000;
    site('west', ['v', 'w']);
    expect(record.picture(nowMs).users).toEqual([]);
  });

  test('is frozen by no event from the future', () => {
    const futureMs = nowMs + 1e12;
    const report = { site: 'west', atMs: futureMs, lat: 50, lon: 4, slots: 8, vms: ['v', 'w'], uplinks: [] };
    happens({ type: 'site.reported.v1', data: { ...report, draining: true } });
    happens({ type: 'migration.switched.v1', data: { ...MOVE, atMs: futureMs, pauseMs: 90 } });
    expect(homesOf(record.picture(nowMs).homes).v).toBe('east');
    nowMs += 1_000;
    site('west', ['v', 'w']);
    const { homes, sites } = record.picture(nowMs);
    expect(homesOf(homes).v).toBe('west');
    expect(sites).toMatchObject([{ site: 'west', draining: false }, { site: 'east' }]);
  });

  test('has the bytes of a move by path, and its outcome; a repeated end changes nothing', () => {
    happens({ type: 'migration.started.v1', data: { ...MOVE, atMs: nowMs, paths: ['east~west/a'] } });
    move();
    const [seen] = record.picture(nowMs).moves;
    expect(seen).toMatchObject({ outcome: 'completed', sentBytes: 1e9, subflows: 2, bytesByPath: FIGURES.bytesByPath });
    happens({
      type: 'migration.cancelled.v1',
      data: { ...MOVE, atMs: nowMs, phase: 'memory', by: 'x', figures: FIGURES },
    });
    expect(record.picture(nowMs).moves).toEqual([seen]);
  });

  test('forgets users after the session time-out, and users who leave', () => {
    fix('ann', 50.1, 4.2);
    fix('bob', 50.1, 4.2);
    record.changes(nowMs);
    happens({ type: 'session.detached.v1', data: { vm: 'v', user: 'bob', atMs: nowMs } });
    expect(record.changes(nowMs)).toMatchObject({ left: [1] });
    nowMs += DEFAULT_CONFIG.policy.sessionTimeoutMs + 60_000;
    site('west', ['v', 'w']);
    expect(record.picture(nowMs).users).toEqual([]);
    expect(record.changes(nowMs)).toMatchObject({ left: [0] });
  });
});

test('changes are returned once, and hold everything that differs from the last picture', () => {
  record.changes(nowMs);
  expect(Object.keys(record.changes(nowMs))).toEqual(['kind', 'atMs', 'fromMs']);
  fix('ann', 50.1, 4.2);
  fix('ann', 50.105, 4.2, nowMs + 10_000);
  move();
  const { homes, moves, positions, sites } = record.changes(nowMs);
  expect(homesOf(homes)).toEqual({ v: 'east' });
  expect(moves).toMatchObject([{ migration: 'v:1', outcome: 'completed' }]);
  expect(positions).toEqual([0, 5_010_500, 420_000]);
  expect(sites?.map(({ site, vms }) => [site, vms])).toEqual([
    ['west', 1],
    ['east', 1],
  ]);
});

describe('the past', () => {
  test('shows homes, moves, users and draining sites as they were', () => {
    fix('ann', 50.1, 4.2);
    const beforeMs = nowMs;
    nowMs += 30_000;
    fix('ann', 50.12, 4.2);
    move();
    const afterMs = nowMs;
    nowMs += 60_000;
    site('west', ['w'], true);
    expect(record.past(beforeMs, nowMs)).toMatchObject({ positions: [0, 5_010_000, 420_000], moves: [] });
    expect(homesOf(record.past(beforeMs, nowMs).homes)).toEqual({ v: 'west', w: 'west' });
    const midway = record.past(afterMs - 2_000, nowMs);
    expect(homesOf(midway.homes).v).toBe('west');
    expect(midway.moves).toMatchObject([{ phase: 'memory', sentBytes: 5e8, outcome: null }]);
    const after = record.past(afterMs, nowMs);
    expect(homesOf(after.homes).v).toBe('east');
    expect(after.positions).toEqual([0, 5_012_000, 420_000]);
    expect(after.sites.map(({ draining }) => draining)).toEqual([false, false]);
    expect(record.past(nowMs, nowMs).sites.map(({ draining }) => draining)).toEqual([true, false]);
  });

  test('goes back one hour', () => {
    move();
    nowMs += 2 * HOUR_MS;
    site('west', ['w']);
    const { fromMs, moves, atMs } = record.past(START_MS, nowMs);
    expect([fromMs, atMs, moves]).toEqual([nowMs - HOUR_MS, nowMs - HOUR_MS, []]);
  });

  test('holds a bounded number of positions, and drops the oldest first', () => {
    const fixes = new Fixes(5_000);
    for (let i = 0; i < 12_000; i++) fixes.add(i % 100, i, i, -i);
    expect(fixes.size).toBe(5_000);
    const found = fixes.between(0, 20_000);
    expect(found).toHaveLength(100);
    expect(found[0]).toEqual({ user: 99, atMs: 11_999, lat: 11_999, lon: -11_999 });
    expect(
      fixes
        .between(0, 7_000)
        .map(({ atMs }) => atMs)
        .at(-1),
    ).toBe(7_000);
    expect(fixes.between(0, 6_999)).toEqual([]);
  });
});

test('a line for a viewer who is not signed in has no users and no positions', () => {
  fix('ann', 50.1, 4.2);
  for (const line of [record.changes(nowMs), record.picture(nowMs), record.past(nowMs, nowMs)]) {
    expect(textOf(line, { users: true, names: true })).toContain('5010000');
    expect(textOf(line, { users: false, names: true })).not.toMatch(/ann|5010000|users|positions/);
  }
});
