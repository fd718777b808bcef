import {
  type DeadLetterFilter,
  type DeadLetterLine,
  listDeadLetters,
  replayDeadLetters,
} from '#services/dead-letters/records.ts';
import { loadConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { counted, instant } from '#shared/format.ts';
import { createLog, type Log } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import type { Store } from '#shared/store/store.ts';
import { table } from '../output/table.ts';
import { refuseMemory } from './run-service.ts';

/** The options of `tagalong dead-letters`. */
export interface LettersOptions extends DeadLetterFilter {
  readonly config: string;
  readonly json?: true;
}

/**
 * Lists the dead letters, or sends them again.
 * @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID, and the errors of opening bus and store
 */
export async function runDeadLetters(what: 'list' | 'replay', options: LettersOptions): Promise<void> {
  const config = await loadConfig(options.config);
  refuseMemory('dead-letters', config, options.config);
  const log = createLog(config.log.level);
  const store = await openStore(config, log);
  try {
    process.stdout.write(await (what === 'list' ? listed(store, options) : replayed(config, log, store, options)));
  } finally {
    await store.close();
  }
}

async function listed(store: Store, options: LettersOptions): Promise<string> {
  const letters = await listDeadLetters(store, options);
  return options.json ? `${JSON.stringify(letters)}\n` : letterTable(letters);
}

async function replayed(config: Config, log: Log, store: Store, options: LettersOptions): Promise<string> {
  const bus = await openBus(config, log);
  try {
    const report = await replayDeadLetters(store, bus, options);
    const rest = report.unusable === 0 ? '' : ` ${counted(report.unusable, 'letter')} held no event and stayed.`;
    return options.json
      ? `${JSON.stringify(report)}\n`
      : `${counted(report.replayed, 'event')} published again.${rest}\n`;
  } finally {
    await bus.close();
  }
}

function letterTable(letters: readonly DeadLetterLine[]): string {
  if (letters.length === 0) return 'There are no dead letters.\n';
  return table(
    [{ head: 'happened' }, { head: 'code' }, { head: 'event' }, { head: 'of' }, { head: 'because' }],
    letters.map(({ atMs, code, type, key, reason }) => [instant(atMs), code, type, key, reason]),
  );
}
