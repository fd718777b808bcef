import type { MigrationStatus } from '#services/migrator/service.ts';
import { type CoarseExplained, coarseWords, isCoarse } from '#shared/policy/decide/coarse.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import { explanationText } from '../output/explanation.ts';
import { columnsOf } from '../output/wrap.ts';
import { ask, askEach, type ServerOptions } from './client.ts';

/**
 * Prints why a VM is at its site, or why it moves.
 * @throws TagalongError the errors of `ask`
 */
export async function runExplain(vm: string, options: ServerOptions): Promise<void> {
  const explained = await ask<Explained | CoarseExplained>(
    options,
    'GET',
    `/v1/vms/${encodeURIComponent(vm)}/explanation`,
  );
  if (options.json) {
    process.stdout.write(`${JSON.stringify(explained)}\n`);
    return;
  }
  // A migrator, if one answers, adds the destination of a move under way. The explanation is complete without it.
  const { answers } = await askEach<{ migrations: readonly MigrationStatus[] }>(options, '/v1/migrations');
  const movingTo = answers.flatMap(({ migrations }) => migrations).find((migration) => migration.vm === vm)?.to;
  if (isCoarse(explained)) return void process.stdout.write(`${coarseWords(explained, movingTo)}\n`);
  process.stdout.write(explanationText(explained, movingTo, columnsOf(process.stdout)));
}
