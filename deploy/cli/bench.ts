import type { Command } from 'commander';
import { TagalongError } from '#shared/errors.ts';
import type { BenchReport } from '#simulations/bench/bench.ts';
import { digits } from './format.ts';
import { table } from './table.ts';

/** The benchmarks whose figures the README quotes, by name. */
const BENCHES: Record<string, (options: BenchOptions) => Promise<BenchReport>> = {
  engine: async ({ seed }) => (await import('#simulations/bench/engine.ts')).benchEngine(seed),
  migration: async (options) => (await import('#deploy/testbed/bench/migration.ts')).benchMigration(options),
};

interface BenchOptions {
  readonly seed: number;
  readonly quick: boolean;
  readonly only: readonly string[];
}

/** `tagalong bench`: measures on this machine. A missed aim is shown, and is no failure. */
export function addBench(program: Command): void {
  program
    .command('bench <name>')
    .description(`measure: ${Object.keys(BENCHES).join(', ')}`)
    .option('--seed <n>', 'seed of what is generated', '1')
    .option('--quick', 'migration: few repeats')
    .option('--only <parts>', 'migration: paths, rates, sizes, rtts, cut, gap, far-gap, moves, storage')
    .option('--json <file>', 'only - : print the result as JSON')
    .action(async (name: string, options: { seed: string; quick?: true; only?: string; json?: string }) => {
      const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
      if (bench === undefined) {
        throw new TagalongError('USAGE', `no benchmark "${name}"; there are ${Object.keys(BENCHES).join(', ')}`);
      }
      const seed = Number(options.seed);
      if (!Number.isSafeInteger(seed)) throw new TagalongError('USAGE', '--seed: a whole number would be right');
      const only = options.only?.split(',') ?? [];
      const report = await bench({ seed, quick: options.quick ?? false, only });
      process.stdout.write(options.json === '-' ? `${JSON.stringify(report, null, 2)}\n` : benchTable(report));
    });
}

function benchTable({ bench, host, rows }: BenchReport): string {
  const columns = [
    { head: bench },
    { head: 'value', align: 'right' as const },
    { head: 'unit' },
    { head: 'aim' },
    { head: '' },
  ];
  const lines = rows.map(({ metric, value, unit, aim, met }) => [
    metric,
    value >= 1000 ? Math.round(value).toLocaleString('en') : digits(value),
    unit,
    aim ?? '',
    met === undefined ? '' : met ? 'met' : 'missed',
  ]);
  return `${table(columns, lines)}${host.cpu}, ${host.cores} cores, ${host.arch}, Node ${host.node}\n`;
}
