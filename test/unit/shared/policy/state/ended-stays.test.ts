import { expect, test } from 'vitest';
import { batchesOf, EndedStays } from '#shared/policy/state/ended-stays.ts';
import { type EndedStay, PERIOD_MS } from '#shared/policy/state/forecast.ts';
import type { Vm } from '#shared/policy/state/state.ts';

const PERIOD = 5_000_000;
const stay = (period: number, site = 'a'): EndedStay => ({ site, from: null, ms: 60_000, period });
/** A VM as far as its stays. */
const vmWith = (...endedStays: EndedStay[]) => ({ id: 'v', best: 'b', cameBy: 'a', endedStays }) as unknown as Vm;

test('a restart after the end of a period loses no stay of it, also where another one ends at once', () => {
  const ended = new EndedStays();
  const vm = vmWith(stay(PERIOD), stay(PERIOD));
  ended.advance((PERIOD + 1) * PERIOD_MS + 10);
  ended.restore(vm);
  ended.note(vm, 90_000);
  expect(ended.take()).toEqual([{ vm: 'v', period: PERIOD, stays: [stay(PERIOD), stay(PERIOD)] }]);
  ended.advance((PERIOD + 2) * PERIOD_MS);
  const stays = [{ site: 'b', from: 'a', ms: 90_000, period: PERIOD + 1 }];
  expect(ended.take()).toEqual([{ vm: 'v', period: PERIOD + 1, stays }]);
  expect(ended.take()).toEqual([]);
});

test('a restart within a period returns its stays when it is over', () => {
  const ended = new EndedStays();
  ended.advance(PERIOD * PERIOD_MS + 10);
  ended.restore(vmWith(stay(PERIOD)));
  expect(ended.take()).toEqual([]);
  expect(ended.closesAtMs).toBe((PERIOD + 1) * PERIOD_MS);
  ended.advance((PERIOD + 1) * PERIOD_MS);
  expect(ended.take()).toHaveLength(1);
});

test('stays are counted by partition, period, sites and length', () => {
  const all = [
    { vm: 'v', period: PERIOD, stays: [stay(PERIOD), stay(PERIOD), stay(PERIOD, 'b')] },
    { vm: 'v', period: PERIOD + 1, stays: [stay(PERIOD + 1)] },
  ];
  const batches = batchesOf(all, 1);
  expect(batches.map(({ partition, period }) => [partition, period])).toEqual([
    [0, PERIOD],
    [0, PERIOD + 1],
  ]);
  expect(batches[0]!.counts.map(({ site, stays }) => [site, stays])).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
});
