import type { Command } from 'commander';
import type { LettersOptions } from '../run/run-dead-letters.ts';

/** `tagalong dead-letters list|replay`: the events that a service refused at every attempt. */
export function addDeadLetters(program: Command): void {
  const letters = program.command('dead-letters').description('list refused events, and send them again');
  for (const [name, description] of [
    ['list', 'show when they happened, why they were refused, their type and VM'],
    ['replay', 'publish them again, and forget that they were refused'],
  ] as const) {
    letters
      .command(name)
      .description(description)
      .requiredOption('--config <file>', 'the configuration of the services, for its bus and store')
      .option('--vm <vm>', 'only those of this VM')
      .option('--code <code>', 'only those refused with this code')
      .option('--json', 'print JSON')
      .action(async (options: LettersOptions) => {
        const { runDeadLetters } = await import('../run/run-dead-letters.ts');
        await runDeadLetters(name, options);
      });
  }
}
