import { type Command, Option } from 'commander';
import type { SimulateOptions } from '../run/run-simulation.ts';
import { seedOption, seedsOption } from './options.ts';
import { addTraceOptions, TRACE_HELP } from './trace-options.ts';

/** `tagalong simulate`: compares policies on a trace, at full speed. */
export function addSimulate(program: Command): void {
  const command = program
    .command('simulate')
    .description('compare policies on a trace, or on the shipped scenario if none is given')
    .option('--trace <path>', TRACE_HELP)
    .option(
      '--generate <generator>',
      'instead of a trace: random-waypoint, commuters, flash-crowd, ferry or geofences[,key=value...]',
    )
    .option(
      '--sites <file>',
      'CSV with site,lat,lon and perhaps slots, or GeoJSON; without it, sites and VMs of the configuration',
    )
    .option('--policy <policies>', 'policies, separated by commas, as in tagalong,hysteresis(2.5),optimum', 'tagalong')
    .option('--seed <n>', 'seed of made-up users', seedOption, 1)
    .addOption(
      new Option('--seeds <from-to>', 'run each of these seeds: means with their confidence')
        .argParser(seedsOption)
        .conflicts('seed'),
    )
    .option('--config <file>', 'settings of network, moves, policy and limits');
  addTraceOptions(command)
    .option('--json <file>', 'write the result as JSON, - for standard output')
    .option('--csv <file>', 'write a row for each run as CSV, - for standard output')
    .option('--report <file>', 'write a page with map, plots and explanations: one HTML file, for any browser')
    .option('--decisions <file>', 'write every decision and migration event, a JSON object a line')
    .action(async (options: SimulateOptions) => {
      const { runSimulation } = await import('../run/run-simulation.ts');
      await runSimulation(options);
    });
}
