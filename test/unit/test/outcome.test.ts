import { expect, test } from 'vitest';
import { outcome, type Report } from '../../outcome.ts';

const file = (name: string, lastedS: number, ...statuses: string[]) => ({
  name: `/here/${name}`,
  status: statuses.includes('failed') ? 'failed' : 'passed',
  message: '',
  startTime: 1000,
  endTime: 1000 + lastedS * 1000,
  assertionResults: statuses.map((status, i) => ({
    ...{ status, fullName: `${name} ${i}` },
    failureMessages: status === 'failed' ? ['Error: 1 is\nnot 2\n    at there'] : [],
  })),
});
const report = (...testResults: Report['testResults'][number][]): Report => {
  const count = (wanted: string) =>
    testResults.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status === wanted).length;
  return { numPassedTests: count('passed'), numFailedTests: count('failed'), testResults };
};
const of = (groups: Record<string, Report | undefined>) => outcome(new Map(Object.entries(groups)), '/here/');

test('groups are counted together, and the slowest files come first', () => {
  const files = Array.from({ length: 12 }, (_, i) => file(`f${i}`, i, 'passed'));
  const { lines, closing, well } = of({ a: report(...files), b: report(file('longest', 99, 'passed', 'passed')) });
  expect({ closing, well }).toEqual({ closing: '14 passed, 0 failed', well: true });
  expect(lines).toHaveLength(10);
  expect(lines[0]).toBe('slowest:   99.0 s  longest');
  expect(lines[1]).toBe('slowest:   11.0 s  f11');
});

test('the lines name skipped tests, and failed tests with their reason', () => {
  const { lines, closing, well } = of({ a: report(file('f', 1, 'passed', 'skipped', 'failed')), b: report() });
  expect({ closing, well }).toEqual({ closing: '1 passed, 1 failed, 1 skipped', well: false });
  expect(lines).toEqual(expect.arrayContaining(['skipped: f 1', 'failed: f: f 2: Error: 1 is not 2']));
});

test('a file that fails outside of its tests, and a group that does not end, are failures', () => {
  const broken = { ...file('f', 1, 'passed'), status: 'failed', message: 'no such module\nat …' };
  const { lines, closing, well } = of({ a: report(broken), b: undefined });
  expect({ closing, well }).toEqual({ closing: '1 passed, 2 failed', well: false });
  expect(lines).toContain('failed as a whole: f: no such module');
  expect(lines).toContain('failed as a whole: the group "b" did not come to its end');
});

test('a run without tests is not well', () => {
  expect(of({ a: report() })).toMatchObject({ closing: '0 passed, 0 failed', well: false });
});
