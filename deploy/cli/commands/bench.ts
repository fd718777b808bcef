import type { Command } from 'commander';
import type { BenchReport } from '#deploy/bench/bench.ts';
import { TagalongError } from '#shared/errors.ts';

/** The benchmarks whose figures the README quotes, by name. */
const BENCHES: Record<string, (options: BenchOptions) => Promise<BenchReport>> = {
  engine: async ({ seed }) => (await import('#deploy/bench/engine.ts')).benchEngine(seed),
  simulation: async (options) => (await import('#deploy/bench/simulation/simulation.ts')).benchSimulation(options),
  bus: async (options) => (await import('#deploy/bench/bus/bus.ts')).benchBus(options),
  migration: async (options) => (await import('#deploy/bench/testbed/migration.ts')).benchMigration(options),
  dashboard: async (options) => (await import('#deploy/bench/dashboard/dashboard.ts')).benchDashboard(options),
  policy: async (options) => (await import('#deploy/bench/policy.ts')).benchPolicy(options),
};

interface BenchOptions {
  readonly seed: number;
  readonly quick: boolean;
  readonly only: readonly string[];
  /** Folder of recorded data. */
  readonly data: string;
  /** Addresses of running servers. */
  readonly servers: readonly string[];
}

/** The options as the user types them. */
interface Given {
  readonly seed: string;
  readonly quick?: true;
  readonly only?: string;
  readonly data: string;
  readonly servers?: string;
  readonly json?: string;
}

/** The names of the benchmarks, for shell completion. */
export const BENCH_NAMES: readonly string[] = Object.keys(BENCHES);

/** `tagalong bench`: measures on this machine. It shows a missed aim, but does not fail for it. */
export function addBench(program: Command): void {
  program
    .command('bench <bench>')
    .description(`measure: ${BENCH_NAMES.join(', ')}`)
    .option('--seed <n>', 'seed of generated input', '1')
    .option(
      '--quick',
      'bus: few events; migration: few repeats; simulation: small sizes; dashboard: few users, a few seconds',
    )
    .option(
      '--only <parts>',
      'migration: paths, rates, sizes, rtts, cut, gap, far-gap, moves, storage; policy: wang, capped, others, made',
    )
    .option('--data <folder>', 'policy, simulation: recorded movements', '../shared/data')
    .option('--servers <urls>', 'bus: running servers, as nats://127.0.0.1:4222,kafka://127.0.0.1:9092')
    .option('--json <file>', 'only - : print the result as JSON')
    .action(async (name: string, options: Given) => {
      const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
      if (bench === undefined) {
        throw new TagalongError('USAGE', `there is no benchmark "${name}"; choose one of ${BENCH_NAMES.join(', ')}`);
      }
      const seed = Number(options.seed);
      if (!Number.isSafeInteger(seed))
        throw new TagalongError('USAGE', '--seed: is not a whole number; give one, for example 1');
      const [only = [], servers = []] = [options.only, options.servers].map((list) => list?.split(','));
      const report = await bench({ seed, quick: options.quick ?? false, only, data: options.data, servers });
      if (options.json === '-') return void process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      const { benchTable } = await import('../output/bench-table.ts');
      process.stdout.write(benchTable(report));
    });
}
