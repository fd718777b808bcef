/** Measures a move from the client's side, and whether many moves lose anything. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchRow, median } from '#deploy/bench/bench.ts';
import type { Gap } from '#services/probe/probe.ts';
import { bedClient } from '../../testbed/client.ts';
import { atMost, exactly, inLab, type Lab, plain, say } from './lab.ts';

const MBIT = 125_000;
const MB = 2 ** 20;
const RATES_BPS = [100 * MBIT, 100 * MBIT];
/** Idle time between moves, so that each gap belongs to one of them. */
const BETWEEN_MS = 1500;

interface Seen {
  readonly pauseMs: number;
  readonly gapMs: number;
  readonly qemuMs: number;
}

/** Moves while a client is connected. */
async function watched(
  { bed, host, move }: Lab,
  moves: number,
  announce: 'before' | 'after',
  mptcp = true,
): Promise<Seen[]> {
  const client = bedClient(bed.network, { at: 'phone', host, mptcp, intervalMs: 2 });
  await client.connected;
  let longest = 0;
  client.onGap(({ gapMs }: Gap) => {
    longest = Math.max(longest, gapMs);
  });
  const seen: Seen[] = [];
  for (let i = 0; i < moves; i++) {
    longest = 0;
    const { pauseMs, hypervisorDowntimeMs = 0 } = await move({ announce });
    await sleep(BETWEEN_MS);
    seen.push({ pauseMs, gapMs: longest, qemuMs: hypervisorDowntimeMs });
  }
  await client.stop();
  return seen;
}

/** Compares the client's gap with the pause: make before break, and the paper's order. */
async function gapRows(where: string, rttMs: number, moves: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const announce of ['before', 'after'] as const) {
    const name = `${announce === 'before' ? 'make before break' : "the paper's order"}${where}`;
    say(`${name}: ${moves} moves with a client on the line`);
    const options = { ratesBps: RATES_BPS, rttMs, clientRttMs: rttMs };
    const seen = await inLab(options, (lab) => watched(lab, moves, announce));
    rows.push(plain(`${name}: pause (STOP to RESUME), median`, median(seen.map(({ pauseMs }) => pauseMs)), 'ms'));
    rows.push(plain(`${name}: client's longest gap, median`, median(seen.map(({ gapMs }) => gapMs)), 'ms'));
    rows.push(plain(`${name}: what QEMU calls downtime, median`, median(seen.map(({ qemuMs }) => qemuMs)), 'ms'));
    rows.push(plain(`${name}: gap - pause, median`, median(seen.map(({ gapMs, pauseMs }) => gapMs - pauseMs)), 'ms'));
    const ratios = seen.map(({ gapMs, pauseMs }) => (gapMs - rttMs) / pauseMs);
    const label = `${name}: ${rttMs > 0 ? '(gap - RTT)' : 'gap'} ÷ pause, median`;
    rows.push(announce === 'before' ? atMost(label, median(ratios), 'x', 1.3) : plain(label, median(ratios), 'x'));
  }
  return rows;
}

/**
 * The same with sites and client far apart. In either order, the VM serves a client at the old address, over the stretched
 * LANs, until the client has joined the new address: the order costs that detour, and no gap of its own.
 */
export async function benchFarGap(moves: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const rttMs of [20, 60]) rows.push(...(await gapRows(`, RTT ${rttMs} ms`, rttMs, moves)));
  return rows;
}

/** All sites without distance, and a client that cannot follow. */
export async function benchGap(moves: number): Promise<BenchRow[]> {
  const rows = await gapRows('', 0, moves);
  say('plain TCP and a changed address');
  const lost = await inLab({ ratesBps: RATES_BPS }, async ({ bed, host, move }) => {
    const client = bedClient(bed.network, { at: 'phone', host, mptcp: false });
    await client.connected;
    await move({ joinMs: 500 });
    await sleep(5000);
    const { sentBytes, intactBytes } = await client.stop();
    return sentBytes - intactBytes;
  });
  rows.push(plain('plain TCP and a changed address: unanswered 5 s after the move', lost, 'bytes'));
  return rows;
}

/** Moves one guest under load back and forth while one connection stays open. */
export async function benchToAndFro(moves: number): Promise<BenchRow[]> {
  say(`${moves} moves to and fro under load, on one connection`);
  return inLab(
    { ratesBps: RATES_BPS.map((each) => each * 2), fillBytes: 16 * MB },
    async ({ bed, host, guest, move }) => {
      const before = await guest('checksum');
      await guest('dirty', '2000000', `${4 * MB}`);
      const client = bedClient(bed.network, { at: 'phone', host, mptcp: true, loadBps: 200_000 });
      await client.connected;
      let made = 0;
      for (; made < moves; made++) {
        await move();
        if (made % 10 === 9) say(`${made + 1} moves`);
      }
      await sleep(BETWEEN_MS);
      const report = await client.stop();
      await guest('dirty', '0');
      const name = `${moves} moves under load`;
      return [
        exactly(`${name}: made`, made, '', moves),
        exactly(`${name}: connections lost`, report.resets, '', 0),
        plain(`${name}: bytes through the connection`, report.sentBytes, 'bytes'),
        exactly(
          `${name}: bytes lost or reordered`,
          report.lostBytes + report.reorderedBytes + report.corruptedBytes,
          '',
          0,
        ),
        exactly(`${name}: guest memory intact`, (await guest('checksum')) === before ? 1 : 0, '', 1),
        plain(`${name}: longest gap of all`, report.longestGapMs, 'ms'),
      ];
    },
  );
}
