import type { Command } from 'commander';
import { nearest } from '#shared/config/nearest.ts';
import { TagalongError } from '#shared/errors.ts';

/** The error about a word that is no command. It names the command that was probably meant. @param args the words of the user */
export function unknownCommand(program: Command, args: readonly string[]): TagalongError {
  let command = program;
  for (const arg of args) {
    const next = command.commands.find((one) => one.name() === arg);
    if (next !== undefined) {
      command = next;
      continue;
    }
    if (arg.startsWith('-')) continue;
    const names = command.commands.map((one) => one.name());
    const near = nearest(arg, names);
    const right = near === undefined ? `choose one of ${names.join(', ')}` : `did you mean ${near}?`;
    return new TagalongError('USAGE', `there is no command "${arg}"; ${right}`);
  }
  return new TagalongError('USAGE', 'a command is missing; --help lists them');
}
