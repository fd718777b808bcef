import { expect, test } from 'vitest';
import { moveCheck } from '#services/runtime/move-check.ts';
import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { type Data, type Event, envelop } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { writeMigration, writeOrder } from '../../../placement-order.ts';
import { decided } from '../../shared/migration/world.ts';

const NOW_MS = Date.UTC(2026, 2, 2, 12);
const log = createLog('silent');

/** A check of a store that counts its reads. */
function world() {
  const clock = virtualClock(NOW_MS);
  const inner = memoryStore();
  const reads: string[] = [];
  const store: Store = {
    ...inner,
    get: (key) => {
      reads.push(key);
      return inner.get(key);
    },
  };
  return { clock, store, reads, check: moveCheck({ store, clock, log, partitions: 4, quotaClock: clock }) };
}
const decision = (vm: string, seq: number) => decided(vm, seq, { atMs: NOW_MS });
const accepted = (vm: string, seq: number): Event =>
  envelop(
    { type: 'migration.accepted.v1', data: { migration: `${vm}:${seq}`, vm, from: 'a', to: 'b', atMs: NOW_MS } },
    `${vm}:${seq}:accepted`,
    '/test',
  );
/** Lets the clock run until the promise is settled. @returns the result, and how long it took by the clock */
async function waitOn<T>(clock: VirtualClock, promise: Promise<T> | T): Promise<{ result: T; waitedMs: number }> {
  let isSettled = false;
  const fromMs = clock.now();
  const settled = Promise.resolve(promise).finally(() => {
    isSettled = true;
  });
  for (let i = 0; i < 20 && !isSettled; i++) await Promise.resolve();
  while (!isSettled) {
    clock.advanceTo(clock.now() + 100);
    for (let i = 0; i < 20 && !isSettled; i++) await Promise.resolve();
  }
  return { result: await settled, waitedMs: clock.now() - fromMs };
}

test('after a flood of made-up events, true ones wait for the store and are admitted', async () => {
  const { clock, store, check } = world();
  for (let i = 1; i <= 100; i++) expect((await waitOn(clock, check.admits(accepted('v', i)))).result).toBe(false);
  await writeMigration(store, decision('w', 1).data as Data<'placement.decided.v1'>);
  const { result, waitedMs } = await waitOn(clock, check.admits(accepted('w', 1)));
  expect([result, check.refused]).toEqual([true, 100]);
  expect(waitedMs).toBeLessThanOrEqual(1000);
});

test('any number of true moves from before the start are admitted without a wait', async () => {
  const { clock, store, check } = world();
  for (let i = 0; i < 500; i++) {
    await writeMigration(store, decision(`w${i}`, 1).data as Data<'placement.decided.v1'>);
    expect(await waitOn(clock, check.admits(accepted(`w${i}`, 1)))).toEqual({ result: true, waitedMs: 0 });
  }
  expect(check.refused).toBe(0);
});

test('made-up events cause at most 100 reads a second, and hold up others for 10 s of a minute', async () => {
  const { clock, reads, check } = world();
  const fromMs = clock.now();
  for (let i = 1; i <= 2000; i++) expect((await waitOn(clock, check.admits(accepted('v', i)))).result).toBe(false);
  const tookMs = clock.now() - fromMs;
  expect(tookMs).toBeGreaterThan(9_000);
  expect(tookMs).toBeLessThanOrEqual(10_100);
  expect(reads.length).toBeLessThanOrEqual(1100);
  expect(check.refused).toBe(2000);
});

test('a decision that placement did not make is refused, with the events of its move', async () => {
  const { store, check } = world();
  await writeOrder(store, decision('v', 3).data as Data<'placement.decided.v1'>, 4);
  expect(await check.admits(envelop(decision('v', 4), 'd4', '/test'))).toBe(false);
  expect(await check.admits(envelop(decision('ghost', 1), 'd1', '/test'))).toBe(false);
  expect(await check.admits(accepted('v', 4))).toBe(false);
  expect(check.refused).toBe(3);
  expect(await check.admits(envelop(decision('v', 3), 'd3', '/test'))).toBe(true);
  expect(await check.admits(accepted('v', 3))).toBe(true);
});

test('a decision that placement has replaced since counts beside the record of the migrator', async () => {
  const { store, check } = world();
  await writeOrder(store, decision('v', 3).data as Data<'placement.decided.v1'>, 4);
  for (const seq of [1, 2]) expect(await check.admits(envelop(decision('v', seq), `d${seq}`, '/test'))).toBe(true);
  expect(await check.admits(accepted('v', 1))).toBe(false);
  await writeMigration(store, decision('v', 2).data as Data<'placement.decided.v1'>);
  expect(await check.admits(accepted('v', 2))).toBe(true);
  expect(await check.admits(accepted('v', 1)), 'an older one').toBe(true);
});

test('decisions that cannot be looked up are believed', async () => {
  const { clock } = world();
  const store: Store = { ...memoryStore(), get: () => Promise.reject(new Error('no answer')) };
  const check = moveCheck({ store, clock, log, partitions: 4, quotaClock: clock });
  expect(await check.admits(envelop(decision('v', 4), 'd4', '/test'))).toBe(true);
  expect(await check.admits(accepted('v', 4))).toBe(true);
});

test('events of other types are admitted at once', () => {
  const { check } = world();
  const retired = envelop({ type: 'vm.retired.v1', data: { vm: 'v', atMs: NOW_MS } }, 'e', '/test');
  expect(check.admits(retired)).toBe(true);
});
