import { expect, test } from 'vitest';
import { SubflowWatch } from '#services/agent/subflows.ts';

const ENDPOINTS = [
  { provider: 'north', address: '10.101.1.2' },
  { provider: 'south', address: '10.102.1.2' },
];
/** A line of `ss -tniHO` of iproute2, shortened. */
const line = (near: string, bytes: number, mptcp = true) =>
  `0 0 ${near} 10.101.2.2:49152 cubic wscale:7,7 rto:204 bytes_sent:${bytes + 9} bytes_acked:${bytes} segs_out:9${
    mptcp ? ' tcp-ulp-mptcp flags:Mmec token:0000(id:0)/9f(id:0)' : ''
  }\n`;
const watch = () => new SubflowWatch([49152], ENDPOINTS);
const NORTH = '10.101.1.2:40000';
const SOUTH = '10.102.1.2:40001';

// `ss` omits the state if it lists one state only; then the addresses are the third and fourth words.
test('bytes are counted by the provider of the local address', () => {
  const carriage = watch();
  carriage.take(line(NORTH, 100) + line(SOUTH, 50), 0);
  carriage.take(line(NORTH, 300) + line(SOUTH, 150), 2000);
  expect(carriage.stats).toEqual({ bytesByProvider: { north: 300, south: 150 }, subflows: 2, plainTcp: false });
});

test('the bytes of a closed subflow stay counted, and it counts as lost after a second', () => {
  const carriage = watch();
  carriage.take(line(NORTH, 100) + line(SOUTH, 50), 0);
  carriage.take(line(NORTH, 100) + line(SOUTH, 50), 1500);
  carriage.take(line(NORTH, 700), 2000);
  carriage.take(line(NORTH, 700), 3000);
  expect(carriage.stats).toEqual({ bytesByProvider: { north: 700, south: 50 }, subflows: 1, plainTcp: false });
});

test('subflows that close one after the other at the end of a move do not count as lost', () => {
  const carriage = watch();
  carriage.take(line(NORTH, 100) + line(SOUTH, 50), 0);
  carriage.take(line(NORTH, 100) + line(SOUTH, 50), 1500);
  carriage.take(line(NORTH, 700), 2000);
  carriage.take('', 2200);
  expect(carriage.stats).toEqual({ bytesByProvider: { north: 700, south: 50 }, subflows: 2, plainTcp: false });
});

test('a subflow that returns within a second does not count as lost', () => {
  const carriage = watch();
  carriage.take(line(NORTH, 100) + line(SOUTH, 50), 0);
  carriage.take(line(NORTH, 700), 2000);
  carriage.take(line(NORTH, 700) + line(SOUTH, 50), 2900);
  carriage.take(line(NORTH, 800), 3100);
  expect(carriage.stats.subflows).toBe(2);
});

test('subflows that join in the first second do not count as lost before', () => {
  const carriage = watch();
  carriage.take(line(NORTH, 100), 0);
  carriage.take(line(NORTH, 100) + line(SOUTH, 50), 500);
  carriage.take(line(NORTH, 100) + line(SOUTH, 50), 1500);
  expect(carriage.stats.subflows).toBe(2);
});

test('a connection without MPTCP is reported as plain TCP', () => {
  const carriage = watch();
  carriage.take(line(NORTH, 100, false), 0);
  expect(carriage.stats).toMatchObject({ plainTcp: true, subflows: 1 });
});

test('an MPTCP connection that fell back is reported as plain TCP', () => {
  const carriage = watch();
  carriage.take(line(NORTH, 100), 0, `0 0 ${NORTH} 10.101.2.2:49152 fallback flags:0x1 token:9f`);
  expect(carriage.stats.plainTcp).toBe(true);
});
