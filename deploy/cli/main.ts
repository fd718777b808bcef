#!/usr/bin/env -S node --max-semi-space-size=64
/** The command line. Results go to standard output. Progress, and the one line of an error, go to standard error. */
import { Command, CommanderError } from 'commander';
import { TagalongError } from '#shared/errors.ts';
import { versionText } from '#shared/version.ts';
import { addAgent } from './commands/agent.ts';
import { addBench } from './commands/bench.ts';
import { addCompletion } from './commands/completion.ts';
import { addDeadLetters } from './commands/dead-letters.ts';
import { addDoctor } from './commands/doctor.ts';
import { addExplain } from './commands/explain.ts';
import { addHelp } from './commands/help.ts';
import { addLocal } from './commands/local.ts';
import { addCancel, addDrain, addMigrate } from './commands/operate.ts';
import { addProbe } from './commands/probe.ts';
import { addRecord } from './commands/record.ts';
import { addReplay } from './commands/replay.ts';
import { addServices } from './commands/service.ts';
import { addSimulate } from './commands/simulate.ts';
import { addSite } from './commands/site.ts';
import { addStart } from './commands/start.ts';
import { addStatus } from './commands/status.ts';
import { addStays } from './commands/stays.ts';
import { addTestBed } from './commands/testbed.ts';
import { addUp } from './commands/up.ts';
import { failureOf } from './output/failure.ts';

/** The commands in the order of the help. */
const COMMANDS = [
  addStart,
  addUp,
  addServices,
  addLocal,
  addAgent,
  addDoctor,
  addReplay,
  addRecord,
  addSimulate,
  addStatus,
  addStays,
  addExplain,
  addMigrate,
  addDrain,
  addSite,
  addCancel,
  addDeadLetters,
  addProbe,
  addTestBed,
  addBench,
  addCompletion,
  addHelp,
];

function createProgram(): Command {
  const program = new Command('tagalong')
    .description('Virtual machines that follow their users.')
    .option('--version', 'print the version, and the commit where it is known')
    // Commander's own handler treats an unknown command as a request for help.
    .helpCommand(false)
    .exitOverride()
    // `main` reports each error once, in the form of all errors.
    .configureOutput({ writeErr: () => {} });
  program.on('option:version', () => {
    process.stdout.write(`${versionText()}\n`);
    throw new CommanderError(0, 'commander.version', 'the version');
  });
  for (const add of COMMANDS) add(program);
  return program;
}

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
    const { line, exitCode } = failureOf(error, asJson);
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
