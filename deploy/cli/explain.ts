import type { Command } from 'commander';
import type { MigrationStatus } from '#services/migrator/service.ts';
import { bytes, counted, digits, duration } from '#shared/format.ts';
import { type Explained, inPlainWords } from '#shared/policy/words.ts';
import { ask, type ServerOptions, withServerOptions } from './client.ts';
import { table } from './table.ts';

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
  const { migrations } = await ask<{ migrations: readonly MigrationStatus[] }>(options, 'GET', '/v1/migrations');
  const movingTo = migrations.find((migration) => migration.vm === vm)?.to;
  process.stdout.write(explanationText(explained, movingTo));
}

/** The sentence, what it rests on, and the candidates. @param movingTo where the VM is being moved to */
export function explanationText(explained: Explained, movingTo: string | undefined): string {
  const { vm, home, state, policy, reason, sessions, expectedStayMs, oldestFixAgeMs } = explained;
  const facts: [string, string][] = [
    ['state', `${state} (${reason}), by the policy ${policy}`],
    ['users', `${sessions}${sessions === 0 ? '' : `; the oldest position is ${duration(oldestFixAgeMs)} old`}`],
    ['expected stay', duration(expectedStayMs)],
  ];
  const candidates = table(
    [
      { head: 'candidate' },
      { head: 'serving', align: 'right' },
      { head: 'gain', align: 'right' },
      { head: 'takes', align: 'right' },
      { head: 'interruption', align: 'right' },
      { head: 'data', align: 'right' },
      { head: 'cost', align: 'right' },
      { head: 'benefit', align: 'right' },
      { head: 'refused by' },
    ],
    explained.candidates.map(({ site, servingUserMsPerS, prediction, rejected }) => [
      site === home ? `${site} (home)` : site,
      digits(servingUserMsPerS),
      site === home ? '' : digits(explained.homeServingUserMsPerS - servingUserMsPerS),
      ...(prediction === undefined
        ? ['', '', '', '', '']
        : [
            duration(prediction.durationMs),
            duration(prediction.interruptionMs),
            bytes(prediction.bytes),
            digits(prediction.costUserMs),
            digits(prediction.benefitUserMs),
          ]),
      rejected ?? '',
    ]),
  );
  const units = 'Serving and gain are in user-milliseconds a second, cost and benefit in user-milliseconds.';
  const title = `${vm} at ${home}, ${counted(explained.candidates.length, 'candidate')}`;
  const sentence = inPlainWords(explained, movingTo);
  return `${sentence}\n\n${table([{ head: title }, { head: '' }], facts)}\n${candidates}\n${units}\n`;
}
