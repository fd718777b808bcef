/**
 * Measures the speed and the memory of simulations: users who move by random waypoint, a VM each, through plausibility,
 * session, policy, simulated moves and all metrics. The job is the one that other simulators were measured with; every
 * size runs in a process of its own.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { atLeast, atMost, type BenchReport, type BenchRow, benchReport } from '../bench.ts';
import type { Job, Measured } from './job.ts';
import type { Source } from './movement.ts';
import { weekdayRows } from './weekday.ts';

interface SimulationBench {
  readonly seed: number;
  /** True: a hundredth of the sizes, one run of each, to check that the benchmark works. */
  readonly quick: boolean;
  /** Folder with `random-waypoint` and `sf-cabspotting`. If one is missing, its movements are generated or left out. */
  readonly data: string;
}

/** User-steps a second on one core. */
const WANTED_PER_S = 3_000_000;
const WANTED_PEAK_MB = 200;
/** The speed under the default policy, compared with that under a policy that orders no moves. */
const WANTED_OF_NEVER = 0.6;
const WANTED_MOST_USERS_MB = 1500;
/** A longer simulation must not slow down by more than a shared machine's speed varies. */
const FLAT = 0.8;
/** Linear growth: with a thousand times as many users, a user-step costs at most this many times as much. */
const DEARER = 3;
/** Less than linear growth: the same limit with a hundred times as many sites. */
const DEARER_BY_SITES = 10;
const MB = 1e6;
const WARM = { runs: 15, warmUps: 6 };
const ONCE = { runs: 1, warmUps: 0 };

/** @throws Error if a measuring process fails, with its output */
export async function benchSimulation(options: SimulationBench): Promise<BenchReport> {
  const rows = [...(await speed(options)), ...(await overTime(options)), ...(await growth(options))];
  if (!options.quick) rows.push(...(await weekdayRows(options.data)));
  return benchReport('simulation', rows);
}

/** The job of 1000 users, 100 sites and 300 steps. */
async function speed({ seed, quick, data }: SimulationBench): Promise<BenchRow[]> {
  const [source, which] = sourceOf(data, quick ? 10 : 1000, 300, seed);
  const rows: BenchRow[] = [];
  const perCpuS: Record<string, number> = {};
  for (const policy of ['tagalong', 'nearest', 'never']) {
    const measured = await inOwnProcess({ source, policy, ...(quick ? ONCE : WARM) });
    perCpuS[policy] = measured.perCpuS;
    if (rows.length === 0) rows.push(...nearestChanges(which, measured));
    const aimed = policy === 'tagalong';
    const metric = `  ${policy}, one core`;
    const unit = 'user-steps/CPU s';
    rows.push(
      aimed ? atLeast(metric, measured.perCpuS, unit, WANTED_PER_S) : { metric, value: measured.perCpuS, unit },
      { metric: '    by the clock', value: measured.perS, unit: 'user-steps/s' },
      { metric: '    the first run, which waits for the compiler', value: measured.firstPerS, unit: 'user-steps/s' },
      { metric: '    moves completed', value: measured.moves, unit: '' },
      { metric: '    a move takes', value: measured.meanMoveMs / 1000, unit: 's (simulated)' },
    );
  }
  rows.push(atLeast('  tagalong, compared with never', perCpuS.tagalong! / perCpuS.never!, 'x', WANTED_OF_NEVER));
  return rows;
}

/** Checks that the positions are those of the job. */
function nearestChanges(which: string, { userSteps, nearestChanges: value, statedChanges }: Measured): BenchRow[] {
  const metric = '  changes of the nearest site in them';
  // Half-way between two sites, each of the two is right.
  const stated = statedChanges !== undefined && {
    aim: `${statedChanges} ± 1, as recorded`,
    met: Math.abs(value - statedChanges) <= 1,
  };
  return [
    { metric: which, value: userSteps, unit: 'user-steps' },
    { metric, value, unit: '', ...stated },
  ];
}

/** Measures a job that is twelve times as long: it must be as fast, and use no more memory. */
async function overTime({ seed, quick, data }: SimulationBench): Promise<BenchRow[]> {
  const job = { policy: 'tagalong', ...(quick ? ONCE : { runs: 3, warmUps: 2 }) };
  const users = quick ? 10 : 100;
  const [long, which] = sourceOf(data, users, quick ? 360 : 3600, seed);
  const [short] = sourceOf(data, users, 300, seed);
  const few = await inOwnProcess({ source: short, ...job, ...(quick ? ONCE : { runs: 30, warmUps: 25 }) });
  const many = await inOwnProcess({ source: long, ...job });
  const memory = await inOwnProcess({ source: long, ...job, ...ONCE });
  return [
    { metric: which, value: many.userSteps, unit: 'user-steps' },
    { metric: '  tagalong, one core', value: many.perCpuS, unit: 'user-steps/CPU s' },
    atLeast('  compared with 300 steps', many.perCpuS / few.perCpuS, 'x', FLAT),
    atMost('  peak resident memory, positions included', memory.peakRssBytes / MB, 'MB', WANTED_PEAK_MB),
    {
      metric: '  memory in use at the end, less that after a tenth of it',
      value: memory.heapGrowthBytes / MB,
      unit: 'MB',
    },
  ];
}

/** Numbers of users, by the repeats of their measurement: a small number needs several runs until all code is compiled. */
const USERS = [
  [1_000, { runs: 40, warmUps: 30 }],
  [10_000, { runs: 6, warmUps: 4 }],
  [100_000, { runs: 2, warmUps: 1 }],
  [1_000_000, ONCE],
] as const;
const SITES = [100, 1_000, 10_000];

/** Measures the time of a user-step at one size. */
interface Grown {
  readonly metric: string;
  readonly ns: number;
  readonly peakMb: number;
}

/** Measures growth from a thousand users to a million, and from a hundred sites to ten thousand. */
async function growth({ seed, quick }: SimulationBench): Promise<BenchRow[]> {
  const less = quick ? 100 : 1;
  const measure = async (
    users: number,
    sites: number,
    steps: number,
    often: Pick<Job, 'runs' | 'warmUps'>,
  ): Promise<Grown> => {
    const source: Source = { kind: 'walked', seed, users, sites, spacingKm: 1, steps };
    const measured = await inOwnProcess({ source, policy: 'tagalong', ...(quick ? ONCE : often) });
    const size = [users, sites, steps].map((n) => n.toLocaleString('en'));
    const metric = `${size[0]} users × ${size[1]} sites × ${size[2]} steps of 10 s`;
    return { ns: 1e9 / measured.perCpuS, metric, peakMb: measured.peakRssBytes / MB };
  };
  const byUsers: Grown[] = [];
  for (const [users, often] of USERS) byUsers.push(await measure(users / less, 1_000, 10, often));
  const bySites: Grown[] = [];
  for (const sites of SITES) bySites.push(await measure(1_000 / less, sites, 100, { runs: 6, warmUps: 4 }));
  const dearer = (of: readonly Grown[]) => of.at(-1)!.ns / of[0]!.ns;
  const row = ({ metric, ns }: Grown) => ({ metric, value: ns, unit: 'CPU ns/user-step' });
  return [
    ...byUsers.map(row),
    atMost('  the most users compared with the fewest', dearer(byUsers), 'x', DEARER),
    atMost('  peak resident memory with the most', byUsers.at(-1)!.peakMb, 'MB', WANTED_MOST_USERS_MB),
    ...bySites.map(row),
    atMost('  the most sites compared with the fewest', dearer(bySites), 'x', DEARER_BY_SITES),
  ];
}

/** Recorded movements of this size, if there are any, and a description for the reader. */
function sourceOf(data: string, users: number, steps: number, seed: number): [Source, string] {
  const path = `${data}/random-waypoint/u${users}_s100_t${steps}_seed42`;
  const size = `${users} users × 100 sites × ${steps} steps of 1 s`;
  if (existsSync(`${path}.csv.gz`) && existsSync(`${path}.json.gz`)) {
    return [{ kind: 'recorded', path }, `${size}, as recorded`];
  }
  return [{ kind: 'made', users, steps, seed }, `${size}, seed ${seed}`];
}

async function inOwnProcess(job: Job): Promise<Measured> {
  const main = new URL('job.main.ts', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, main, JSON.stringify(job)]);
  return JSON.parse(stdout) as Measured;
}
