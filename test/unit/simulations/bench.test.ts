import { expect, test } from 'vitest';
import { atLeast, atMost, benchReport, median } from '#simulations/bench/bench.ts';

test('a report says of which machine it is, and holds its rows as they were measured', () => {
  const rows = [atLeast('speed', 1.97, 'x', 1.9), { metric: 'memory', value: 3, unit: 'B' }];
  const report = benchReport('engine', rows);
  expect(JSON.parse(JSON.stringify(report))).toEqual({
    bench: 'engine',
    host: {
      cpu: expect.stringMatching(/./),
      cores: expect.any(Number),
      arch: process.arch,
      node: process.version,
    },
    rows: [
      { metric: 'speed', value: 1.97, unit: 'x', aim: '>= 1.9', met: true },
      { metric: 'memory', value: 3, unit: 'B' },
    ],
  });
  expect(report.host.cores).toBeGreaterThan(0);
});

test('an aim is met where the value reaches it', () => {
  expect([1.89, 1.9, 1.91].map((value) => atLeast('speed', value, 'x', 1.9).met)).toEqual([false, true, true]);
  expect(atLeast('speed', Number.NaN, 'x', 1.9).met).toBe(false);
  expect([1.89, 1.9, 1.91].map((value) => atMost('cost', value, 'x', 1.9).met)).toEqual([true, true, false]);
  expect(atMost('cost', Number.NaN, 'x', 1.9)).toMatchObject({ aim: '<= 1.9', met: false });
});

test('the median is the middle one, whatever the order, and of two the greater', () => {
  expect(median([9, 100, 10])).toBe(10);
  expect(median([3, 1])).toBe(3);
  expect(median([])).toBe(0);
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
});
