import { describe, expect, test } from 'vitest';
import { parseConfig } from '#shared/config/load.ts';
import type { Data, Fact, Figures } from '#shared/events/index.ts';
import { Tally } from '#simulations/tally.ts';

const { policy } = parseConfig('', 'test');
const MINUTE_MS = 60_000;
const figures: Figures = {
  durationMs: 20_000,
  pauseMs: 90,
  interruptionMs: 100,
  bytes: 5e9,
  bytesByPath: {},
  rounds: 2,
  subflows: 2,
  degraded: [],
};

/** A tally of one VM, with functions that add its facts. */
function tallyOf(weight: number) {
  const tally = new Tally(policy, () => weight);
  let seq = 0;
  const moveOf = (from: string, to: string, atMs: number) => ({ migration: `v:${seq}`, vm: 'v', from, to, atMs });
  return {
    tally,
    order(from: string, to: string, prediction?: Data<'placement.decided.v1'>['prediction']) {
      const data = {
        ...{ decision: `v:${++seq}`, vm: 'v', seq, atMs: 0, verdict: 'move', from, to, reason: 'better-site' },
        ...(prediction && { prediction }),
      };
      tally.observe({ type: 'placement.decided.v1', data } as Fact);
    },
    complete: (from: string, to: string, atMs: number, more: Partial<Figures> = {}) =>
      tally.observe({
        type: 'migration.completed.v1',
        data: { ...moveOf(from, to, atMs), figures: { ...figures, ...more } },
      }),
    fail: (code: string) =>
      tally.observe({
        type: 'migration.failed.v1',
        data: { ...moveOf('a', 'b', 0), phase: 'memory', code, reason: 'why', runsAt: 'a', figures },
      }),
    cancel: () =>
      tally.observe({
        type: 'migration.cancelled.v1',
        data: { ...moveOf('a', 'b', 0), phase: 'memory', by: 'policy', figures },
      }),
  };
}

describe('a move back', () => {
  test.each([
    ['within five minutes counts', 5 * MINUTE_MS, 1],
    ['after more than five minutes does not', 5 * MINUTE_MS + 1, 0],
  ])('%s', (_, afterMs, pingPong) => {
    const { tally, complete } = tallyOf(1);
    complete('a', 'b', MINUTE_MS);
    complete('b', 'a', MINUTE_MS + afterMs);
    expect(tally.migrations).toMatchObject({ completed: 2, pingPong });
  });

  test('leads to the source of the last move, without a third site', () => {
    const { tally, complete } = tallyOf(1);
    complete('a', 'b', 0);
    complete('b', 'c', 1_000);
    complete('c', 'a', 2_000);
    expect(tally.migrations.pingPong).toBe(0);
    complete('a', 'c', 3_000);
    complete('c', 'a', 4_000);
    expect(tally.migrations.pingPong).toBe(2);
  });
});

test('each ended move costs interruption, slowdown and bytes, with any outcome', () => {
  // 0.1 s of interruption and 20 s of slowdown for each of three users, and 5 GB.
  const costUserMs = 3 * (100 + 20 * policy.slowdownUserMsPerS) + 5 * policy.priceUserMsPerGb;
  const { tally, complete, fail, cancel } = tallyOf(3);
  complete('a', 'b', 0);
  expect(tally.movingUserMs).toBeCloseTo(costUserMs, 9);
  fail('STEP_TIMEOUT');
  fail('STEP_TIMEOUT');
  fail('VM_LOST');
  cancel();
  expect(tally.movingUserMs).toBeCloseTo(5 * costUserMs, 9);
  expect(tally.migrations).toMatchObject({
    completed: 1,
    cancelled: 1,
    failed: { STEP_TIMEOUT: 2, VM_LOST: 1 },
    bytes: 25e9,
    durationMs: { count: 1, max: 20_000 },
    pauseMs: { count: 1, max: 90 },
    interruptionMs: { count: 1, max: 100 },
  });
});

test('a move of a VM without users costs its bytes only', () => {
  const { tally, complete } = tallyOf(0);
  complete('a', 'b', 0);
  expect(tally.movingUserMs).toBeCloseTo(5 * policy.priceUserMsPerGb, 9);
});

test('errors are ratios of measurement to prediction, without moves that have no prediction', () => {
  const { tally, order, complete } = tallyOf(1);
  const prediction = { durationMs: 10_000, interruptionMs: 200, bytes: 5e9, costUserMs: 1, benefitUserMs: 2 };
  order('a', 'b', prediction);
  complete('a', 'b', 0);
  order('b', 'c');
  complete('b', 'c', 1);
  expect(tally.migrations.durationError).toMatchObject({ count: 1, mean: 2 });
  expect(tally.migrations.interruptionError).toMatchObject({ count: 1, mean: 0.5 });
  expect(tally.decisions).toEqual({ 'move better-site': 2 });
});

test('degraded moves are counted by their degradations', () => {
  const { tally, complete } = tallyOf(1);
  complete('a', 'b', 0, { degraded: ['single-path'] });
  complete('b', 'c', 0, { degraded: ['single-path', 'forced-stop'] });
  complete('c', 'd', 0);
  expect(tally.migrations.degraded).toEqual({ 'single-path': 2, 'forced-stop': 1 });
});
