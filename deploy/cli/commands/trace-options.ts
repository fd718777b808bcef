/** The options of the commands that read a trace. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ColumnNames } from '#services/replay/traces/formats.ts';
import { TRACE_FORMATS, type TraceFormat } from '#services/replay/traces/formats.ts';
import type { Trace, TraceOptions } from '#services/replay/traces/trace.ts';
import { TagalongError } from '#shared/errors.ts';

export interface TraceReading {
  readonly format?: TraceFormat;
  readonly columns?: ColumnNames;
  readonly strict?: boolean;
  readonly everySeconds?: number;
  readonly gapSeconds?: number;
}

/** Help text of `--trace`. */
export const TRACE_HELP = 'positions, as a file or a folder, perhaps gzipped (services/replay/traces/README.md)';

/** A longer silence is not interpolated, because the user's place is unknown. */
const GAP_SECONDS = 300;

export function addTraceOptions(command: Command): Command {
  return command
    .addOption(new Option('--format <name>', 'format of the trace (default: detected)').choices(TRACE_FORMATS))
    .option('--columns <names>', 'names of CSV columns that differ: user=cab_id,t=ts,lat=y,lon=x', columnsOption)
    .option('--every-seconds <n>', 'positions at this interval, interpolated (default: as recorded)', secondsOption)
    .option('--gap-seconds <n>', `the longest silence to interpolate (default: ${GAP_SECONDS})`, secondsOption)
    .option('--strict', 'end at the first row that cannot be read');
}

/**
 * Returns the settings for reading a trace, from the options.
 * @throws TagalongError USAGE
 */
export function traceOptionsOf({
  format,
  columns,
  strict = false,
  everySeconds,
  gapSeconds,
}: TraceReading): TraceOptions {
  if (gapSeconds !== undefined && everySeconds === undefined) {
    throw new TagalongError(
      'USAGE',
      '--gap-seconds: needs --every-seconds, because nothing is interpolated without it; give both',
    );
  }
  return {
    strict,
    ...(format && { format }),
    ...(columns && { columns }),
    ...(everySeconds && {
      sampling: { everyMs: Math.round(everySeconds * 1000), gapMs: Math.round((gapSeconds ?? GAP_SECONDS) * 1000) },
    }),
  };
}

/**
 * Opens a trace according to the options.
 * @throws TagalongError TRACE_UNREADABLE, USAGE
 */
export async function traceOf(path: string, options: TraceReading): Promise<Trace> {
  const { openTrace } = await import('#services/replay/traces/trace.ts');
  return openTrace(path, traceOptionsOf(options));
}

const COLUMNS = ['user', 't', 'lat', 'lon'];

/** The names of columns in the file that differ from the usual names: `user=cab_id,lat=latitude`. */
export function columnsOption(text: string): ColumnNames {
  const names: Record<string, string> = {};
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=');
    const column = pair.slice(0, Math.max(at, 0)).trim();
    const name = pair.slice(at + 1).trim();
    if (!COLUMNS.includes(column) || name === '' || column in names) {
      throw new InvalidArgumentError(`"${pair}" is wrong; give ${COLUMNS.join(', ')} once each, as user=cab_id,t=ts.`);
    }
    names[column] = name;
  }
  return names;
}

/** Seconds, with fractions, at least 0.1: shorter intervals would fill the memory with interpolated positions. */
function secondsOption(text: string): number {
  const seconds = Number(text);
  if (text.trim() === '' || !(seconds >= 0.1 && seconds <= 86_400)) {
    throw new InvalidArgumentError('Give seconds from 0.1 to 86400.');
  }
  return seconds;
}
