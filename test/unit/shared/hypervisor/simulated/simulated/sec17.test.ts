/**
 * Chaufournier et al. (SEC'17) measured the ratio of migration times over TCP and over MPTCP: Figure 10 for a VM of 16 GB over
 * paths of 100-1000 Mb/s, Figure 11 for VMs of 2-16 GB over paths of 500 Mb/s, both at 60 ms RTT. The values here are read off the
 * figures.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { doneAt, moveOf, SMALL_VM, world } from '../world.ts';
import { SEC17_MOVE_MODEL } from './sec17.ts';

/** The seconds of a simulated move. The guests of the paper were idle. */
function migrationS(gigabytes: number, paths: number, mbitPerS: number): number {
  const simulated = world({ model: SEC17_MOVE_MODEL, rttMs: 60 });
  const uplinks = Array.from({ length: paths }, (_, i) => ({ provider: `isp${i}`, rateBps: (mbitPerS * 1e6) / 8 }));
  simulated.sites(uplinks, 'montreal', 'sanjose');
  simulated.hypervisor.startVm('vm', 'montreal');
  const move = moveOf('vm', 'montreal', 'sanjose', {
    ...SMALL_VM,
    ramBytes: gigabytes * 1024 ** 3,
    dirtyRateBps: 0,
  });
  simulated.drive(move);
  simulated.settle();
  return doneAt(simulated, move.id, 'release')! / 1000;
}

const table: string[] = [];
afterAll(() => {
  console.log(['TCP ÷ MPTCP migration time          paper  here   TCP s  MPTCP s', ...table].join('\n'));
});

function check(label: string, gigabytes: number, mbitPerS: number, paperTcp: number, paperMptcp: number) {
  const [tcpS, mptcpS] = [migrationS(gigabytes, 1, mbitPerS), migrationS(gigabytes, 2, mbitPerS)];
  const paper = paperTcp / paperMptcp;
  const cells = [paper.toFixed(2), (tcpS / mptcpS).toFixed(2), tcpS.toFixed(0), mptcpS.toFixed(0)];
  table.push(label.padEnd(34) + cells.map((cell) => cell.padStart(7)).join(''));
  expect(Math.abs(tcpS / mptcpS / paper - 1)).toBeLessThan(0.1);
}

describe('the gain of MPTCP over TCP agrees with the paper within 10 %', () => {
  test.each([
    { mbitPerS: 100, tcpMin: 27.5, mptcpMin: 16 },
    { mbitPerS: 250, tcpMin: 10.1, mptcpMin: 5.7 },
    { mbitPerS: 500, tcpMin: 4.9, mptcpMin: 2.9 },
    { mbitPerS: 750, tcpMin: 3.2, mptcpMin: 2.0 },
    { mbitPerS: 1000, tcpMin: 2.5, mptcpMin: 1.75 },
  ])('Figure 10: 16 GB at $mbitPerS Mb/s a path', ({ mbitPerS, tcpMin, mptcpMin }) => {
    check(`Figure 10: 16 GB, ${mbitPerS} Mb/s a path`, 16, mbitPerS, tcpMin, mptcpMin);
  });

  test.each([
    { gigabytes: 2, tcpS: 42, mptcpS: 30 },
    { gigabytes: 4, tcpS: 76, mptcpS: 47 },
    { gigabytes: 8, tcpS: 148, mptcpS: 83 },
    { gigabytes: 16, tcpS: 291, mptcpS: 157 },
  ])('Figure 11: $gigabytes GB at 500 Mb/s a path', ({ gigabytes, tcpS, mptcpS }) => {
    check(`Figure 11: ${gigabytes} GB, 500 Mb/s a path`, gigabytes, 500, tcpS, mptcpS);
  });
});
