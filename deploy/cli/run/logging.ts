import { pino } from 'pino';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { createLog, type Log } from '#shared/log.ts';

/**
 * The log of a run that shows its progress on the terminal: none unless the user asks for it.
 * @param where a file to append to, or `-` for standard error
 * @throws TagalongError USAGE if the file cannot be written
 */
export function runLog({ log }: Config, where: string | undefined): Log {
  if (where === undefined) return createLog('silent');
  if (where === '-') return createLog(log.level);
  try {
    return createLog(log.level, pino.destination({ dest: where, sync: true }));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TagalongError(
      'USAGE',
      `--log ${where}: cannot be written (${code}); name a file in a folder that exists`,
      {
        cause,
      },
    );
  }
}
