/** The definitions of all commands. They load the code that carries them out only when they run. */
import { Command, CommanderError } from 'commander';
import { versionText } from '#shared/version.ts';
import { addAgent } from './commands/agent.ts';
import { addAudit } from './commands/audit.ts';
import { addBench } from './commands/bench.ts';
import { addCompletion } from './commands/completion.ts';
import { addDeadLetters } from './commands/dead-letters.ts';
import { addDoctor } from './commands/doctor.ts';
import { addExplain } from './commands/explain.ts';
import { addHelp } from './commands/help.ts';
import { addInit } from './commands/init.ts';
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
import { addToken } from './commands/token.ts';
import { addUp } from './commands/up.ts';
import { addUser } from './commands/user.ts';

/** The commands in the order of the help. */
const COMMANDS = [
  addStart,
  addInit,
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
  addToken,
  addAudit,
  addUser,
  addDeadLetters,
  addProbe,
  addTestBed,
  addBench,
  addCompletion,
  addHelp,
];

/** The program with all its commands. Its errors are exceptions. */
export function createProgram(): Command {
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
