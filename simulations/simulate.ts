/** Compares policies on one subject, for one or several seeds, on as many threads as there are processors. */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openTrace } from '#services/replay/traces/trace.ts';
import type { Config } from '#shared/config/schema.ts';
import { carryOut, type Material, type RunOrder, type RunReport } from './carry-out.ts';
import { carryOutAll } from './crew.ts';
import type { ReportData } from './report-data/collector.ts';
import { type SeededRun, type Statistics, statisticsOf } from './seeds.ts';
import { shareTrace } from './shared-trace.ts';
import type { Origin, Subject } from './subject.ts';

/** The result of `tagalong simulate`. The same input, settings and seeds give the same bytes. */
export interface Comparison extends Origin {
  readonly seeds: readonly number[];
  readonly settings: Pick<Config, 'network' | 'move' | 'policy' | 'limits'> & {
    readonly plausibility: Config['ingest']['plausibility'];
  };
  /** Policy by policy, and for each policy seed by seed. */
  readonly runs: readonly SeededRun[];
  /** Present if there are several seeds. */
  readonly statistics?: Statistics;
}

/** A comparison, and the data for its report. */
export interface Simulated {
  readonly comparison: Comparison;
  /** For each policy, the data of its run with the first seed; undefined if the caller did not ask for it, and for a bound. */
  readonly reportData: readonly (ReportData | undefined)[];
}

/** The parameters of a comparison. */
export interface SimulateOptions {
  readonly config: Config;
  readonly policies: readonly string[];
  /** Seeds of the generator or of the scenario; a recorded trace has no randomness. */
  readonly seeds: readonly number[];
  /** @default the number of processors */
  readonly threads?: number;
  /** A file for every decision and migration event, one JSON object a line, in the order of the runs. */
  readonly factsPath?: string;
  /** True: collects the data for a report. @default false */
  readonly withReportData?: boolean;
}

/**
 * Runs each policy with each seed.
 * @throws TagalongError the errors of reading the trace, POLICY_UNKNOWN
 */
export async function simulate(subject: Subject, options: SimulateOptions): Promise<Simulated> {
  const { config, policies, seeds, threads = availableParallelism(), factsPath, withReportData = false } = options;
  const orders = policies.flatMap((policy) =>
    seeds.map((seed, i): RunOrder => ({ policy, seed, withReportData: withReportData && i === 0 })),
  );
  const material = await prepared({ subject, config }, orders.length);
  const reports = await withFacts(orders, factsPath, (ready) =>
    threads === 1 || ready.length === 1
      ? inTurn(ready, material)
      : carryOutAll(ready, material, Math.min(threads, ready.length)),
  );
  const runs = withOptimum(reports.map(({ result }, i) => ({ seed: orders[i]!.seed, ...result })));
  const { network, move, policy, limits, ingest } = config;
  const comparison: Comparison = {
    seeds,
    ...reports[0]!.origin,
    settings: { network, move, policy, limits, plausibility: ingest.plausibility },
    runs,
    ...(seeds.length > 1 && { statistics: statisticsOf(runs, seeds.length) }),
  };
  return { comparison, reportData: reports.flatMap((run, i) => (i % seeds.length === 0 ? [run.reportData] : [])) };
}

/** Reads a trace once for several runs, unless it is too long for the memory. */
async function prepared(material: Material, runs: number): Promise<Material> {
  const { subject } = material;
  if (subject.kind !== 'trace' || runs === 1) return material;
  const trace = await openTrace(subject.path, subject.options);
  const shared = await shareTrace(trace.batches());
  return shared === undefined ? material : { ...material, shared: { ...shared, report: trace.report } };
}

async function inTurn(orders: readonly RunOrder[], material: Material): Promise<RunReport[]> {
  const reports: RunReport[] = [];
  for (const order of orders) reports.push(await carryOut(order, material));
  return reports;
}

/** Each run writes its events to a file of its own, because several runs write at once. At the end the files are concatenated. */
async function withFacts(
  orders: readonly RunOrder[],
  factsPath: string | undefined,
  carryOutOrders: (orders: readonly RunOrder[]) => Promise<RunReport[]>,
): Promise<RunReport[]> {
  if (factsPath === undefined) return carryOutOrders(orders);
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-'));
  try {
    const parts = orders.map((_, i) => join(folder, String(i)));
    const reports = await carryOutOrders(orders.map((order, i) => ({ ...order, factsPath: parts[i]! })));
    for (const [i, part] of parts.entries()) {
      await pipeline(createReadStream(part), createWriteStream(factsPath, { flags: i === 0 ? 'w' : 'a', mode: 0o600 }));
    }
    return reports;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Adds `timesOptimum` to each run, if there is an optimum of the same seed and it is above 0. */
function withOptimum(runs: readonly SeededRun[]): SeededRun[] {
  const optima = runs.filter(({ policy }) => policy === 'optimum');
  const least = new Map(optima.map(({ seed, cost }) => [seed, cost.totalUserMs]));
  return runs.map((run) => {
    const leastUserMs = least.get(run.seed) ?? 0;
    if (leastUserMs === 0) return run;
    return { ...run, cost: { ...run.cost, timesOptimum: run.cost.totalUserMs / leastUserMs } };
  });
}
