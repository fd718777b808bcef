import { expect, test } from 'vitest';
import { flapping } from '#services/monitor/flapping.ts';

const MIN = 60_000;

test('a VM that goes on and on is not flapping, however often it moves', () => {
  const seen = flapping();
  const route = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  for (let i = 1; i < route.length; i++) expect(seen.moved('vm', route[i - 1]!, route[i]!, i * MIN)).toBe(false);
  expect(seen.count(10 * MIN)).toBe(0);
});

test('one way home is none, the second return within the hour is, and after an hour it is over', () => {
  const seen = flapping();
  expect(seen.moved('vm', 'a', 'b', 0)).toBe(false);
  expect(seen.moved('vm', 'b', 'a', 10 * MIN)).toBe(true);
  expect(seen.count(10 * MIN)).toBe(0);
  expect(seen.moved('vm', 'a', 'b', 20 * MIN)).toBe(true);
  expect(seen.count(20 * MIN)).toBe(1);
  expect(seen.count(69 * MIN)).toBe(1);
  expect(seen.count(70 * MIN)).toBe(0);
});

test('who comes back after more than an hour has not come back', () => {
  const seen = flapping();
  seen.moved('vm', 'a', 'b', 0);
  expect(seen.moved('vm', 'b', 'a', 60 * MIN)).toBe(false);
});

test('each VM is counted for itself', () => {
  const seen = flapping();
  for (const vm of ['one', 'two', 'three']) {
    seen.moved(vm, 'a', 'b', 0);
    seen.moved(vm, 'b', 'a', MIN);
    if (vm !== 'three') seen.moved(vm, 'a', 'b', 2 * MIN);
  }
  expect(seen.count(3 * MIN)).toBe(2);
});
