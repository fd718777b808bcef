import type { Command } from 'commander';
import type { ReplayOptions } from '../run/play-trace.ts';
import { portOption, processesOption, speedOption } from './options.ts';
import { addTraceOptions, TRACE_HELP } from './trace-options.ts';

/** `tagalong replay`: plays recorded positions through ingest and all services, in one process or in several. */
export function addReplay(program: Command): void {
  const command = program
    .command('replay')
    .description('play a recorded trace, with everything in one process, or with --processes')
    .requiredOption('--trace <path>', TRACE_HELP)
    .requiredOption('--speed <n>', 'speed as a multiple of real time, or max', speedOption)
    .option('--config <file>', 'settings, and sites and VMs if it has any')
    .option(
      '--sites <file>',
      'CSV with site,lat,lon and perhaps slots, or GeoJSON, instead of sites in the configuration',
    );
  addTraceOptions(command)
    .option(
      '--port <n>',
      'port for requests, 0 for any free one (default: that of the configuration; without one the usual port, or a free one)',
      portOption,
    )
    .option(
      '--processes <counts>',
      'processes of their own on the bus of the configuration, as ingest=1,placement=2,migrator=2',
      processesOption,
    )
    .option('--decisions <file>', 'write every decision and migration event, a JSON object a line')
    .option('--once', 'end when the trace has ended')
    .option('--json', 'print the closing table as JSON')
    .option('--log <file>', 'write the log to a file, - for standard error')
    .action(async (options: ReplayOptions) => {
      const { playTrace } = await import('../run/play-trace.ts');
      await playTrace(options);
    });
}
