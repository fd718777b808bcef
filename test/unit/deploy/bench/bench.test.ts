import { expect, test } from 'vitest';
import { atLeast, atMost, benchReport, median } from '#deploy/bench/bench.ts';
import { ratesOf, type Sample } from '#deploy/bench/bus/placements.ts';

test('a report names its machine, and holds the measured rows', () => {
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

test('a value that reaches its aim meets it, and NaN does not', () => {
  expect([1.89, 1.9, 1.91].map((value) => atLeast('speed', value, 'x', 1.9).met)).toEqual([false, true, true]);
  expect(atLeast('speed', Number.NaN, 'x', 1.9).met).toBe(false);
  expect([1.89, 1.9, 1.91].map((value) => atMost('cost', value, 'x', 1.9).met)).toEqual([true, true, false]);
  expect(atMost('cost', Number.NaN, 'x', 1.9)).toMatchObject({ aim: '<= 1.9', met: false });
});

test('the median is the middle value in any order, and the greater of two', () => {
  expect(median([9, 100, 10])).toBe(10);
  expect(median([3, 1])).toBe(3);
  expect(median([])).toBe(0);
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
});

const sample = (atMs: number, handled: number): Sample => {
  return { atMs, handled, cpuUs: handled * 10, quiet: 0, stale: 0, peakBytes: 0 };
};

test('the rate of several processes counts the time in which all of them work', () => {
  const early = [sample(1000, 100), sample(1500, 600), sample(2000, 1100)];
  const late = [sample(1500, 50), sample(2000, 450), sample(2500, 2450)];
  // From 1.5 s to 2 s: 500 and 400 events.
  expect(ratesOf({ samples: [early, late], begunMs: 0 })).toEqual({ perS: 1800, cpuUsPerEvent: 10 });
});

test('the rate counts from the beginning if a process was late, or all events were one batch', () => {
  const alone = { samples: [[sample(2000, 500)], []], begunMs: 1000 };
  expect(ratesOf(alone)).toEqual({ perS: 500, cpuUsPerEvent: 10 });
  const apart = { samples: [[sample(2000, 500)], [sample(3000, 500)]], begunMs: 1000 };
  expect(ratesOf(apart)).toEqual({ perS: 500, cpuUsPerEvent: 10 });
});
