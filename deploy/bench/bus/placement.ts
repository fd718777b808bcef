/**
 * Measures placement on a bus: the service with its store on the same server, fed with the reports of a region's users, against a
 * bare consumer of the same events; several placements at once; the delay of decisions; and the state after an outage.
 */
import { nearestRank } from '#simulations/statistics.ts';
import { atLeast, atMost, type BenchRow, median } from '../bench.ts';
import { type Drained, drain } from './drain.ts';
import { decisionLatencies, ONE_MOVES_IN, STEADY_PER_S } from './latency.ts';
import { makeWorld } from './world.ts';

/** The size of the measurement. */
export interface PlacementAmounts {
  readonly repeats: number;
  /** VMs, each with one user. */
  readonly vms: number;
  /** Positions of each user in the measurement of throughput. */
  readonly steps: number;
  /** Positions of each user that wait on the bus after an outage. */
  readonly backlogSteps: number;
  readonly steadyMs: number;
}

/** The full benchmark takes some minutes, the quick one some seconds. */
export const AMOUNTS: Record<'whole' | 'quick', PlacementAmounts> = {
  whole: { repeats: 3, vms: 10_000, steps: 20, backlogSteps: 100, steadyMs: 10_000 },
  quick: { repeats: 1, vms: 200, steps: 5, backlogSteps: 50, steadyMs: 500 },
};

const PARTITIONS = 16;
/** Partitions and processes that are compared. */
const SHARES = [1, 2, 4];
const WANTED_P99_MS = { nats: 25, kafka: 100 };

/** @param server its URL */
export async function benchPlacement(
  kind: 'nats' | 'kafka',
  server: string,
  amounts: PlacementAmounts,
  seed: number,
): Promise<BenchRow[]> {
  return [
    ...(await throughputRows(server, amounts, seed)),
    ...(await latencyRows(kind, server, amounts, seed)),
    ...(await shareRows(server, amounts, seed)),
    ...(await backlogRows(server, amounts, seed)),
  ];
}

async function throughputRows(server: string, { vms, steps, repeats }: PlacementAmounts, seed: number) {
  const runs: Drained[] = [];
  for (let run = 0; run < repeats; run++) {
    const world = makeWorld(vms, steps, seed + run, Date.now());
    runs.push(await drain(server, world, { processes: 1, partitions: PARTITIONS, bare: true }));
  }
  const middle = (of: (run: Drained) => number) => median(runs.map(of));
  const quiet = `${Math.round(middle((run) => run.quiet) * 100)} % quiet`;
  return [
    { metric: `through placement, ${words(vms)} VMs, ${quiet}`, value: middle((run) => run.perS), unit: 'events/s' },
    { metric: 'the same by a bare consumer', value: middle((run) => run.barePerS), unit: 'events/s' },
    atLeast(
      '  placement to bare consumer',
      middle((run) => run.perS / run.barePerS),
      'x',
      0.7,
    ),
  ];
}

async function latencyRows(
  kind: 'nats' | 'kafka',
  server: string,
  { steadyMs }: PlacementAmounts,
  seed: number,
): Promise<BenchRow[]> {
  const latencies = await decisionLatencies(server, steadyMs, seed);
  const metric = (share: string) =>
    `position in to decision out at ${words(STEADY_PER_S)}/s, 1 in ${ONE_MOVES_IN} moves, ${share}`;
  return [
    { metric: metric('p50'), value: nearestRank(latencies, 0.5), unit: 'ms' },
    atMost(metric('p99'), nearestRank(latencies, 0.99), 'ms', WANTED_P99_MS[kind]),
  ];
}

async function shareRows(server: string, { vms, steps }: PlacementAmounts, seed: number): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  let one: number | undefined;
  for (const share of SHARES) {
    const world = makeWorld(vms, steps, seed, Date.now());
    const { perS, cpuUsPerEvent } = await drain(server, world, { processes: share, partitions: share });
    one ??= perS;
    const where = `${share} ${share === 1 ? 'partition and process' : 'partitions and processes'}`;
    rows.push({ metric: `placement, ${where}`, value: perS, unit: 'events/s' });
    if (share > 1) rows.push({ metric: '  to one', value: perS / one, unit: 'x' });
    rows.push({ metric: "  the processes' time an event", value: cpuUsPerEvent, unit: 'µs' });
  }
  return rows;
}

async function backlogRows(server: string, { vms, backlogSteps }: PlacementAmounts, seed: number): Promise<BenchRow[]> {
  const world = makeWorld(vms, backlogSteps, seed, Date.now());
  const { perS, peakBytes, stale, newest } = await drain(server, world, { processes: 1, partitions: PARTITIONS });
  const metric = `backlog of ${words(vms * backlogSteps)}, ${Math.round(stale * 100)} % too old to act on`;
  return [
    { metric, value: perS, unit: 'events/s' },
    { metric: '  most memory meanwhile', value: peakBytes / 1e6, unit: 'MB' },
    atLeast('  VMs that end at the newest position', newest * 100, '%', 100),
  ];
}

function words(n: number): string {
  return n.toLocaleString('en');
}
