import type { Command } from 'commander';
import type { MigrationStatus } from '#services/migrator/service.ts';
import { counted, digits, duration } from '#shared/format.ts';
import { type Explained, inPlainWords } from '#shared/policy/decide/words.ts';
import { table } from '../output/table.ts';
import { columnsOf, wrapped } from '../output/wrap.ts';
import { ask, askEach, type ServerOptions, withServerOptions } from './client.ts';

/** `tagalong explain VM`: why it is where it is, or goes where it goes. */
export function addExplain(program: Command): void {
  const command = program.command('explain').description('say why a VM is where it is').argument('<vm>');
  withServerOptions(command).action(explain);
}

async function explain(vm: string, options: ServerOptions): Promise<void> {
  const explained = await ask<Explained>(options, 'GET', `/v1/vms/${encodeURIComponent(vm)}/explanation`);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(explained)}\n`);
    return;
  }
  // Nobody of the migrators may be there; why it is where it is can be said all the same.
  const { answers } = await askEach<{ migrations: readonly MigrationStatus[] }>(options, '/v1/migrations');
  const movingTo = answers.flatMap(({ migrations }) => migrations).find((migration) => migration.vm === vm)?.to;
  process.stdout.write(explanationText(explained, movingTo, columnsOf(process.stdout)));
}

const FACT_WIDTH = 'expected stay  '.length;

/**
 * The sentence, what it rests on, and the candidates.
 * @param movingTo where the VM is being moved to
 * @param columns of the terminal, where there is one: the sentence is broken between words
 */
export function explanationText(
  explained: Explained,
  movingTo: string | undefined,
  columns = Number.POSITIVE_INFINITY,
): string {
  const { vm, home, state, policy, reason, sessions, expectedStayMs, oldestFixAgeMs } = explained;
  const facts: [string, string][] = [
    ['state', `${state} (${reason}), by the policy ${policy}`],
    ['users', `${sessions}${sessions === 0 ? '' : `; the oldest position is ${duration(oldestFixAgeMs)} old`}`],
    ['expected stay', duration(expectedStayMs)],
  ];
  const candidates = table(
    [
      { head: 'candidate' },
      { head: 'gain', align: 'right' },
      { head: 'takes', align: 'right' },
      { head: 'gap', align: 'right' },
      { head: 'cost', align: 'right' },
      { head: 'worth', align: 'right' },
      { head: 'refused by' },
    ],
    explained.candidates.map(({ site, servingUserMsPerS, prediction, rejected }) => [
      site === home ? `${site} (home)` : site,
      site === home ? '' : digits(explained.homeServingUserMsPerS - servingUserMsPerS),
      ...(prediction === undefined
        ? ['', '', '', '']
        : [
            duration(prediction.durationMs),
            duration(prediction.interruptionMs),
            digits(prediction.costUserMs),
            digits(prediction.benefitUserMs),
          ]),
      rejected ?? '',
    ]),
  );
  const units = [
    'Gain: what the site would serve better, in user-milliseconds a second.',
    'Gap: the interruption that clients would see. Cost and worth of the move: in',
    'user-milliseconds. With --json there is more.',
  ].join('\n');
  const title = `${vm} at ${home}, ${counted(explained.candidates.length, 'candidate')}`;
  const sentence = wrapped(inPlainWords(explained, movingTo), columns);
  const lines = [title, ...facts.map(([what, text]) => `${what.padEnd(FACT_WIDTH)}${text}`)];
  return `${sentence}\n\n${lines.join('\n')}\n\n${candidates}\n${units}\n`;
}
