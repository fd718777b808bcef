import { Argument, type Command } from 'commander';

/** `tagalong help [COMMAND]`: prints the same as `--help`. Add it last, because it lists the commands that exist by then. */
export function addHelp(program: Command): void {
  const names = program.commands.map((command) => command.name());
  program
    .command('help')
    .description('explain all commands, or one')
    .addArgument(new Argument('[command]').choices(names))
    .action((name: string | undefined) => {
      const command = program.commands.find((one) => one.name() === name) ?? program;
      command.outputHelp();
    });
}
