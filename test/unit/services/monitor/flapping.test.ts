import { expect, test } from 'vitest';
import { flapping } from '#services/monitor/flapping.ts';

const MIN = 60_000;

test('a VM that always moves to a new site is not flapping', () => {
  const seen = flapping();
  const route = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  for (let i = 1; i < route.length; i++) expect(seen.moved('vm', route[i - 1]!, route[i]!, i * MIN)).toBe(false);
  expect(seen.count(10 * MIN)).toBe(0);
});

test('a VM flaps from its second return within an hour on, for an hour', () => {
  const seen = flapping();
  expect(seen.moved('vm', 'a', 'b', 0)).toBe(false);
  expect(seen.moved('vm', 'b', 'a', 10 * MIN)).toBe(true);
  expect(seen.count(10 * MIN)).toBe(0);
  expect(seen.moved('vm', 'a', 'b', 20 * MIN)).toBe(true);
  expect(seen.count(20 * MIN)).toBe(1);
  expect(seen.count(69 * MIN)).toBe(1);
  expect(seen.count(70 * MIN)).toBe(0);
});

test('a move back after an hour is no return', () => {
  const seen = flapping();
  seen.moved('vm', 'a', 'b', 0);
  expect(seen.moved('vm', 'b', 'a', 60 * MIN)).toBe(false);
});

test('each flapping VM counts once', () => {
  const seen = flapping();
  for (const vm of ['one', 'two', 'three']) {
    seen.moved(vm, 'a', 'b', 0);
    seen.moved(vm, 'b', 'a', MIN);
    if (vm !== 'three') seen.moved(vm, 'a', 'b', 2 * MIN);
  }
  expect(seen.count(3 * MIN)).toBe(2);
});
