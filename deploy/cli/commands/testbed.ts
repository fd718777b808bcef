import { type Command, Option } from 'commander';
import type { TestBedCommandOptions } from '../run/run-testbed.ts';
import { speedOption } from './options.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'];

/** `tagalong testbed`: real VMs on this host, moved between sites that are network namespaces. */
export function addTestBed(program: Command): void {
  program
    .command('testbed')
    .description('run real VMs on this host: users ride past its sites, a VM follows them (Linux, root)')
    .option('--topology <file>', 'sites, paths and clients, in YAML (default: three sites along a tram line)')
    .option('--trace <file>', 'the ways of the users (default: a ride past the three sites and back)')
    .option('--speed <n>', 'seconds of the trace that pass in one second', speedOption, 1)
    .option('--json', 'print the result as JSON')
    .addOption(new Option('--log <level>', 'log level of the services, on standard error').choices(LEVELS))
    .addOption(new Option('--sweep', 'only remove the remains of crashed test beds'))
    .action(async (options: TestBedCommandOptions) => {
      const { runTestBed } = await import('../run/run-testbed.ts');
      await runTestBed(options);
    });
}
