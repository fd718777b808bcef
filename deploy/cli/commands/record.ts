import type { Command } from 'commander';
import type { RecordOptions } from '../run/run-record.ts';
import { durationOption } from './options.ts';

/** `tagalong record`: writes the movements of a live system to a trace. */
export function addRecord(program: Command): void {
  program
    .command('record')
    .description('record the positions on the bus as a trace for simulate and replay')
    .requiredOption('--config <file>', 'the configuration of the services, for its bus')
    .requiredOption('--out <file>', 'where to write: trace.ndjson, or gzipped trace.ndjson.gz')
    .option('--seconds <n>', 'end after this time (default: when it is stopped)', durationOption)
    .action(async (options: RecordOptions) => {
      const { runRecord } = await import('../run/run-record.ts');
      await runRecord(options);
    });
}
