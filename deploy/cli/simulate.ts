import { type Command, Option } from 'commander';
import type { SimulateOptions } from './run-simulation.ts';

/** `tagalong simulate`: policies compared on a trace, as fast as it goes. */
export function addSimulate(program: Command): void {
  program
    .command('simulate')
    .description('compare policies on a trace, or on the shipped scenario where none is given')
    .option('--trace <file>', 'CSV with user,t,lat,lon; GPX; or Cabspotting, a file or a folder')
    .option('--generate <name>', 'instead of a trace: random-waypoint, commuters, flash-crowd or ferry[,key=value...]')
    .option('--sites <file>', 'CSV with site,lat,lon and perhaps slots')
    .option('--policy <names>', 'policies, separated by commas', 'tagalong')
    .option('--seed <n>', 'seed of whatever is left to chance', '1')
    .option('--config <file>', 'settings of network, moves, policy and limits')
    .addOption(
      new Option('--format <name>', 'overrules what the trace looks like').choices(['csv', 'cabspotting', 'gpx']),
    )
    .option('--strict', 'end at the first row that cannot be read')
    .option('--json <file>', 'write the result as JSON, - for standard output')
    .option('--decisions <file>', 'write every decision and migration event, a JSON object a line')
    .action(async (options: SimulateOptions) => {
      const { runSimulation } = await import('./run-simulation.ts');
      await runSimulation(options);
    });
}
