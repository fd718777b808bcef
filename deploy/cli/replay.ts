import { type Command, Option } from 'commander';
import { portOption, speedOption } from './options.ts';
import type { TraceOptions } from './play-trace.ts';

/** `tagalong replay`: recorded positions through ingest and all services of one process. */
export function addReplay(program: Command): void {
  program
    .command('replay')
    .description('play a recorded trace, with everything in one process')
    .requiredOption('--trace <file>', 'CSV with user,t,lat,lon; GPX; or Cabspotting, a file or a folder')
    .requiredOption('--speed <n>', 'how many times as fast as the clock, or max', speedOption)
    .option('--config <file>', 'settings, and sites and VMs where there are any')
    .option('--sites <file>', 'CSV with site,lat,lon and perhaps slots, instead of sites in the configuration')
    .addOption(
      new Option('--format <name>', 'overrules what the trace looks like').choices(['csv', 'cabspotting', 'gpx']),
    )
    .option('--strict', 'end at the first row that cannot be read')
    .option('--port <n>', 'where to answer requests (default: http.port of the configuration)', portOption)
    .option('--once', 'end when the trace has ended')
    .option('--json', 'print the closing table as JSON')
    .option('--log <file>', 'write the log to a file, - for standard error')
    .action(async (options: TraceOptions) => {
      const { playTrace } = await import('./play-trace.ts');
      await playTrace(options);
    });
}
