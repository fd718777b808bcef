import { type Command, Option } from 'commander';
import { TagalongError } from '#shared/errors.ts';
import type { ScenarioOptions } from '../run/play-scenario.ts';
import type { LiveOptions } from '../run/run-live.ts';
import { portOption, speedOption } from './options.ts';

/** At this speed the five hours of the scenario take two and a half minutes. */
const SPEED = 120;

/** `tagalong start`: the shipped scenario, with all services in one process. */
export function addStart(program: Command): void {
  program
    .command('start')
    .description('play the shipped scenario, with everything in one process')
    .option('--speed <n>', 'speed as a multiple of real time, or max', speedOption, SPEED)
    .option('--port <n>', 'port for requests, 0 for any free one (default: the usual port, or a free one)', portOption)
    .option('--once', 'end when the scenario has ended')
    .option('--json', 'print the closing table as JSON')
    .option('--log <file>', 'write the log to a file, - for standard error')
    .option('--config <file>', 'your own sites and VMs instead, until stopped; as "tagalong up"')
    .addOption(
      new Option('--hypervisor <kind>', 'hypervisor of the VMs; only with --config').choices(['simulated', 'qemu']),
    )
    .addHelpText(
      'after',
      '\nA line for each move goes to standard error, with how far the run is; the closing table goes to standard output.',
    )
    .action(async ({ config, hypervisor, ...options }: ScenarioOptions & Partial<LiveOptions>) => {
      if (config !== undefined) {
        const { runLive } = await import('../run/run-live.ts');
        return runLive({ config, ...(hypervisor && { hypervisor }) });
      }
      if (hypervisor === 'qemu') {
        throw new TagalongError('USAGE', '--hypervisor qemu: the shipped scenario is simulated; give --config FILE');
      }
      // Loads the services only here, so that commands which only ask a process start quickly.
      const { playScenario } = await import('../run/play-scenario.ts');
      await playScenario(options);
    });
}
