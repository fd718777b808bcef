/** Compares the duration of a migration over MPTCP and over TCP: with the paper's claim, and with the rates of the paths. */
import { atLeast, type BenchRow, median } from '#deploy/bench/bench.ts';
import { exactly, inLab, type LabOptions, plain, say, type Timed } from './lab.ts';

const MBIT = 125_000;
const MB = 2 ** 20;

/** Moves back and forth, and returns the move with the median copy time. */
async function timed(options: LabOptions, moves: number): Promise<Timed> {
  return inLab(options, async (lab) => {
    const all: Timed[] = [];
    for (let i = 0; i < moves; i++) all.push(await lab.move());
    const middle = median(all.map(({ copyMs }) => copyMs));
    return all.find(({ copyMs }) => copyMs === middle)!;
  });
}

interface Pair {
  readonly tcp: Timed;
  readonly mptcp: Timed;
}

async function pair(options: LabOptions, moves: number): Promise<Pair> {
  const mptcp = await timed(options, moves);
  return { tcp: await timed({ ...options, mptcp: false }, moves), mptcp };
}

const ratio = ({ tcp, mptcp }: Pair) => tcp.copyMs / mptcp.copyMs;
const share = ({ bytes, memoryMs }: Timed, ratesBps: readonly number[]) =>
  bytes / (memoryMs / 1000) / ratesBps.reduce((sum, each) => sum + each, 0);
const seconds = (ms: number) => ms / 1000;

/** Two and four equal paths, and unequal paths. */
export async function benchPaths(moves: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const measure = async (name: string, ratesBps: readonly number[], fillBytes: number, aim?: number) => {
    say(`${name}: over MPTCP and over TCP`);
    const both = await pair({ ratesBps, fillBytes }, moves);
    rows.push(plain(`${name}: over TCP`, seconds(both.tcp.copyMs), 's'));
    rows.push(plain(`${name}: over MPTCP`, seconds(both.mptcp.copyMs), 's'));
    const label = `${name}: TCP ÷ MPTCP`;
    rows.push(aim === undefined ? plain(label, ratio(both), 'x') : atLeast(label, ratio(both), 'x', aim));
    rows.push(atLeast(`${name}: bytes a second of the copy ÷ sum of the rates`, share(both.mptcp, ratesBps), '', 0.92));
    rows.push(plain(`${name}: whole move, predicted`, seconds(both.mptcp.predicted.durationMs), 's'));
    rows.push(plain(`${name}: whole move, measured`, seconds(both.mptcp.durationMs), 's'));
    rows.push(plain(`${name}: pause, predicted`, both.mptcp.predicted.interruptionMs, 'ms'));
    rows.push(plain(`${name}: pause, measured`, both.mptcp.pauseMs, 'ms'));
  };
  await measure('2 paths of 100 Mbit/s', [100 * MBIT, 100 * MBIT], 40 * MB, 1.9);
  await measure(
    '4 paths of 50 Mbit/s',
    [50, 50, 50, 50].map((each) => each * MBIT),
    40 * MB,
    3.5,
  );
  await measure('50 and 150 Mbit/s', [50 * MBIT, 150 * MBIT], 40 * MB);
  return rows;
}

/** Round trip of the paper's Figures 10 and 11. */
const PAPER_RTT_MS = 60;

/** Two equal paths at several rates, compared with the paper's Figure 10, whose rates are per path as well. */
export async function benchRates(moves: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [mbit, paper] of [
    [100, 27.5 / 16],
    [250, 10.1 / 5.7],
  ] as const) {
    say(`${mbit} Mbit/s a path`);
    // With this many bytes a path copies at its full rate for most of the time after its warm-up.
    const load = { ramBytes: 184 * MB, fillBytes: 100 * MB, rttMs: PAPER_RTT_MS };
    const both = await pair({ ratesBps: [mbit * MBIT, mbit * MBIT], ...load }, moves);
    rows.push(plain(`${mbit} Mbit/s a path: TCP ÷ MPTCP`, ratio(both), 'x'));
    rows.push(plain(`${mbit} Mbit/s a path: the paper's Figure 10`, paper, 'x'));
  }
  return rows;
}

/**
 * Several round trips, with their queues and buffers, compared with the paper's Figure 9 (500 Mb/s a path, 16 GB, minutes read off it:
 * TCP 4.85 at every RTT; MPTCP 2.55 up to 60 ms, 3.4 at 100 ms with a 90 % interval of 2.25 to 4.6).
 */
export async function benchRtts(moves: number, fillBytes: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const ramBytes = fillBytes + 84 * MB;
  const measure = async (name: string, rttMs: number, ratesBps: readonly number[]) => {
    say(`${name}: over MPTCP and over TCP`);
    const both = await pair({ ratesBps, ramBytes, fillBytes, rttMs }, moves);
    rows.push(plain(`${name}: over TCP`, seconds(both.tcp.copyMs), 's'));
    rows.push(plain(`${name}: over MPTCP`, seconds(both.mptcp.copyMs), 's'));
    rows.push(plain(`${name}: TCP ÷ MPTCP`, ratio(both), 'x'));
    rows.push(plain(`${name}: bytes a second of the copy ÷ sum of the rates`, share(both.mptcp, ratesBps), ''));
  };
  for (const [rttMs, paper] of [
    [0, 4.85 / 2.55],
    [20, 4.85 / 2.55],
    [60, 4.85 / 2.55],
    [100, 4.85 / 3.4],
  ] as const) {
    await measure(`RTT ${rttMs} ms`, rttMs, [100 * MBIT, 100 * MBIT]);
    rows.push(plain(`RTT ${rttMs} ms: the paper's Figure 9`, paper, 'x'));
  }
  await measure('RTT 60 ms, 50 and 150 Mbit/s', 60, [50 * MBIT, 150 * MBIT]);
  return rows;
}

/** Several sizes of RAM in use, compared with the ratios of the paper's Figure 11. */
export async function benchSizes(moves: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [ramMb, paperGb, paper] of [
    [128, 2, 42 / 30],
    [256, 4, 76 / 47],
    [512, 8, 148 / 83],
  ] as const) {
    say(`${ramMb} MB of RAM`);
    const load = { ramBytes: ramMb * MB, fillBytes: (ramMb - 96) * MB, rttMs: PAPER_RTT_MS };
    const both = await pair({ ratesBps: [100 * MBIT, 100 * MBIT], ...load }, moves);
    rows.push(plain(`${ramMb} MB of RAM: whole move over MPTCP`, seconds(both.mptcp.durationMs), 's'));
    rows.push(plain(`${ramMb} MB of RAM: whole move, TCP ÷ MPTCP`, both.tcp.durationMs / both.mptcp.durationMs, 'x'));
    rows.push(plain(`${ramMb} MB of RAM: the paper's Figure 11, ${paperGb} GB`, paper, 'x'));
  }
  return rows;
}

/** Cuts the primary path during the memory copy. */
export async function benchCut(): Promise<BenchRow[]> {
  const ratesBps = [100 * MBIT, 100 * MBIT];
  const cutIn = async (mptcp: boolean) => {
    say(`the primary path is cut, ${mptcp ? 'MPTCP' : 'TCP'}`);
    return inLab({ ratesBps, fillBytes: 40 * MB, mptcp }, async ({ bed, move }) => {
      const cut = async (step: string) => {
        if (step === 'memory') setTimeout(() => void bed.network.cut('bonn', 'north'), 1000);
      };
      const began = performance.now();
      // An attempt that was given up has moved nothing.
      const degraded = await move({ stallMs: 5000 }, cut).then(
        (moved) => moved.degraded,
        () => ['given-up'],
      );
      return { degraded, tookMs: performance.now() - began };
    });
  };
  const mptcp = await cutIn(true);
  const tcp = await cutIn(false);
  const one = (yes: boolean) => (yes ? 1 : 0);
  const goesOn = !mptcp.degraded.includes('given-up') && !mptcp.degraded.includes('retargeted');
  // With one path, the copy stalls until the watchdog restarts it over the other path.
  const begunAgain = tcp.degraded.includes('retargeted') && !tcp.degraded.includes('given-up');
  return [
    exactly('primary path cut, MPTCP: goes on over the other', one(goesOn), '', 1),
    plain('primary path cut, MPTCP: whole move', seconds(mptcp.tookMs), 's'),
    exactly('primary path cut, TCP: stalls, and is begun again over the other', one(begunAgain), '', 1),
    plain('primary path cut, TCP: whole move', seconds(tcp.tookMs), 's'),
  ];
}
