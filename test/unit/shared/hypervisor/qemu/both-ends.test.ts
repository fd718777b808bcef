import { describe, expect, test } from 'vitest';
import {
  doneSteps,
  goesForward,
  hasDied,
  measure,
  objection,
  runsAt,
  standsBetween,
} from '#shared/hypervisor/qemu/both-ends.ts';
import type { InstanceStatus } from '#shared/hypervisor/qemu/protocol.ts';
import { NOTHING_MEASURED } from '#shared/model/measured.ts';

const spec = {
  ramBytes: 1e8,
  dirtyRateBps: 0,
  workingSetBytes: 0,
  diskBytes: 0,
  downtimeLimitMs: 300,
  targetRttMs: 10,
};
const move = { id: 'vm1:7', vm: 'vm1', from: 'oslo', to: 'bonn', spec };
const paths = [
  { id: 'bonn~oslo/north', provider: 'north', rateBps: 1e7 },
  { id: 'bonn~oslo/south', provider: 'south', rateBps: 1e7 },
];
const at = (more: Partial<InstanceStatus>): InstanceStatus => ({
  vm: 'vm1',
  machine: { image: 'default', vcpus: 1, spec },
  state: 'running',
  nic: 0,
  lan: { address: '10.1.0.10', prefix: 24, gateway: '10.1.0.1' },
  done: [],
  ...more,
});
const leaving = (more: Partial<InstanceStatus> = {}) =>
  at({ migration: move.id, role: 'source', done: ['leave', 'announce', 'disk', 'memory'], ...more });
const awaited = (more: Partial<InstanceStatus> = {}) =>
  at({ state: 'receiving', migration: move.id, role: 'destination', token: 'x', ...more });
const arrived = (more: Partial<InstanceStatus> = {}) => at({ arrivedBy: move.id, ...more });

describe('done steps:', () => {
  test.each([
    ['none before the beginning', at({}), undefined, 0],
    ['none while one site only knows the migration', leaving({ done: ['leave'] }), undefined, 0],
    ['prepare', leaving({ done: ['leave'] }), awaited(), 1],
    [
      'announce, also if later steps are done out of order',
      leaving({ done: ['leave', 'announce', 'memory'] }),
      awaited(),
      2,
    ],
    ['all reversible steps', leaving(), awaited(), 4],
    [
      'all reversible steps, while the VM is between the sites',
      leaving({ state: 'handed-over' }),
      awaited({ state: 'received' }),
      4,
    ],
    ['the switch', leaving({ state: 'handed-over' }), arrived({ migration: move.id }), 5],
    ['the switch, before the release of the source', leaving({ state: 'handed-over' }), arrived(), 5],
    ['all steps', undefined, arrived(), 6],
    ['none of this migration after an earlier one', at({ migration: 'vm1:6' }), awaited({ migration: 'vm1:6' }), 0],
  ])('%s', (_name, source, destination, count) => {
    expect(doneSteps({ source, destination }, move)).toHaveLength(count);
  });
});

test('a VM in post-copy can only go forward while both sides can finish it', () => {
  const between = (postCopy: InstanceStatus['postCopy'], destination?: InstanceStatus) =>
    goesForward({ source: leaving({ state: 'handed-over', ...(postCopy && { postCopy }) }), destination }, move);
  expect(between('under-way', awaited())).toBe(true);
  expect(between('broken', awaited({ state: 'received' }))).toBe(true);
  expect(between('lost', awaited())).toBe(false);
  expect(between('under-way', awaited({ state: 'dead' }))).toBe(false);
  expect(between('under-way', undefined)).toBe(false);
  expect(between(undefined, awaited({ state: 'received' }))).toBe(false);
});

test('a VM has died at its destination only after its arrival', () => {
  const source = leaving({ state: 'handed-over' });
  expect(hasDied({ source, destination: arrived({ state: 'dead' }) }, move)).toBe(true);
  expect(hasDied({ source, destination: arrived() }, move)).toBe(false);
  expect(hasDied({ source, destination: awaited({ state: 'dead' }) }, move)).toBe(false);
  expect(hasDied({ source, destination: undefined }, move)).toBe(false);
});

test('a VM that is stopped between two sites is in its switch-over', () => {
  const received = awaited({ state: 'received' });
  for (const state of ['stopped', 'handed-over'] as const) {
    const ends = { source: leaving({ state }), destination: received };
    expect(standsBetween(ends, move)).toBe(true);
    expect(runsAt(ends, move)).toBeUndefined();
  }
  expect(standsBetween({ source: leaving(), destination: received }, move)).toBe(false);
  expect(standsBetween({ source: leaving({ state: 'handed-over' }), destination: arrived() }, move)).toBe(false);
});

test.each([
  ['NO_SUCH_VM', undefined, undefined, paths, true],
  ['VM_ELSEWHERE', undefined, at({}), paths, true],
  ['VM_ELSEWHERE', at({ state: 'dead' }), undefined, paths, true],
  ['BAD_ORDER', at({ migration: 'vm1:6' }), undefined, paths, true],
  ['NO_PATH', at({}), undefined, [], true],
  [undefined, at({ migration: 'vm1:6' }), undefined, paths, false],
  [undefined, at({}), undefined, paths, true],
])('%s', (code, source, destination, between, underWay) => {
  expect(objection({ source, destination }, move, between, () => underWay)?.code).toBe(code);
});

describe('the measured cost of a move', () => {
  const copy = { state: 'sent', sentBytes: 900, remainingBytes: 0, rounds: 3, rateBps: 1 } as const;
  const carriage = { bytesByProvider: { north: 600, south: 400 }, subflows: 2, plainTcp: false };
  const none = { source: 0, destination: 0 };

  test('has the bytes by path in the proportions of the kernel', () => {
    const { bytes, bytesByPath } = measure(
      NOTHING_MEASURED,
      { source: leaving({ copy, carriage }), destination: undefined },
      paths,
      none,
    );
    expect(bytes).toBe(900);
    expect(bytesByPath).toEqual({ 'bonn~oslo/north': 540, 'bonn~oslo/south': 360 });
  });

  test('has the pause from the stop at the source to the run at the destination, on one clock', () => {
    const source = leaving({ state: 'handed-over', stoppedAtMs: 10_000, qemuDowntimeMs: 5 });
    const destination = arrived({ resumedAtMs: 9_200 });
    const measured = measure(NOTHING_MEASURED, { source, destination }, paths, { source: 1000, destination: 50 });
    expect(measured).toMatchObject({ pauseMs: 150, interruptionMs: 150, hypervisorDowntimeMs: 5 });
  });

  test('is single-path after a lost path, and not after a late join', () => {
    const measureAgain = (before: Parameters<typeof measure>[0], subflows: number, south: number) => {
      const bytesByProvider = { north: 600, ...(south > 0 && { south }) };
      const source = leaving({ copy, carriage: { ...carriage, subflows, bytesByProvider } });
      return measure(before, { source, destination: undefined }, paths, none);
    };
    const early = measureAgain(NOTHING_MEASURED, 1, 0);
    expect(early.degraded).toEqual(['single-path']);
    const joined = measureAgain(early, 2, 400);
    expect(joined.degraded).toEqual([]);
    const lost = measureAgain(joined, 1, 400);
    expect(lost.degraded).toEqual(['single-path']);
    expect(measureAgain(lost, 2, 400).degraded).toEqual(['single-path']);
  });

  test('never decreases, also if an agent counts from 0 again', () => {
    const before = measure(
      NOTHING_MEASURED,
      { source: leaving({ copy, carriage }), destination: undefined },
      paths,
      none,
    );
    expect(measure(before, { source: undefined, destination: arrived() }, paths, none)).toMatchObject({
      bytes: 900,
      rounds: 3,
      subflows: 2,
    });
  });

  test('includes the bytes from before a new beginning over another path', () => {
    const earlier = { bytes: 500, bytesByPath: { 'bonn~oslo/north': 500 } };
    const ends = { source: leaving({ copy, carriage }), destination: undefined };
    const { bytes, bytesByPath } = measure(NOTHING_MEASURED, ends, paths, none, earlier);
    expect(bytes).toBe(1400);
    expect(bytesByPath).toEqual({ 'bonn~oslo/north': 1040, 'bonn~oslo/south': 360 });
  });

  test.each([
    [['plain-tcp'], { carriage: { ...carriage, plainTcp: true, subflows: 1 } }],
    [['single-path'], { carriage: { ...carriage, subflows: 1 } }],
    [['forced-stop'], { copy: { ...copy, state: 'forced' as const } }],
    [['post-copy'], { state: 'handed-over' as const, postCopy: 'under-way' as const }],
    [['clients-unjoined'], { unjoined: 2 }],
    [[], { carriage, copy }],
  ])('names each degradation: %j', (degraded, more) => {
    const ends = { source: leaving(more), destination: undefined };
    expect(measure(NOTHING_MEASURED, ends, paths, none).degraded).toEqual(degraded);
  });
});
