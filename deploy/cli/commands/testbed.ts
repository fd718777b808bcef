import { type Command, Option } from 'commander';
import type { TestBedCommandOptions } from '../run/run-testbed.ts';
import { speedOption } from './options.ts';

/** `tagalong testbed`: real VMs on this host, moved between sites that are network namespaces. */
export function addTestBed(program: Command): void {
  program
    .command('testbed')
    .description('real VMs on this host: users ride past its sites, a VM follows them (Linux, root)')
    .option('--topology <file>', 'sites, paths and clients, in YAML (default: three sites along a tram line)')
    .option('--trace <file>', 'where the users go (default: a ride past the three sites and back)')
    .option('--speed <n>', 'how many seconds of the trace pass in one', speedOption, 1)
    .option('--json', 'print the result as JSON')
    .option('--log <level>', 'what the services say, to standard error')
    .addOption(new Option('--sweep', 'only remove what crashed test beds left behind'))
    .action(async (options: TestBedCommandOptions) => {
      const { runTestBed } = await import('../run/run-testbed.ts');
      await runTestBed(options);
    });
}
