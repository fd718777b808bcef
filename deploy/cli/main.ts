#!/usr/bin/env -S node --max-semi-space-size=64
/** The command line. Results go to standard output. Progress, and the one line of an error, go to standard error. */
import { CommanderError } from 'commander';
import { TagalongError } from '#shared/errors.ts';
import { failureOf } from './output/failure.ts';
import { unknownCommand } from './output/unknown-command.ts';
import { createProgram } from './program.ts';

async function main(args: readonly string[]): Promise<number> {
  const program = createProgram();
  try {
    if (args.length === 0) {
      const names = program.commands.map((command) => command.name()).join(', ');
      throw new TagalongError('USAGE', `no command is given; choose one of ${names} ("tagalong --help" explains them)`);
    }
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has printed the help or the version that the user asked for.
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const asJson = args.some((arg) => arg === '--json' || arg.startsWith('--json='));
    const isUnknown = error instanceof CommanderError && error.code === 'commander.unknownCommand';
    const { line, exitCode } = failureOf(isUnknown ? unknownCommand(program, args) : error, asJson);
    process.stderr.write(`${line}\n`);
    if (process.env.TAGALONG_DEBUG) console.error(error);
    return exitCode;
  }
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader has closed the pipe and needs no more output.
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});
const status = await main(process.argv.slice(2));
// A pipe accepts a limited amount at a time. Without this wait, the exit would lose the rest.
await new Promise((taken) => process.stdout.write('', taken));
// A stopped replay may still wait for its next instant, and this wait would keep the process running.
process.exit(status);
