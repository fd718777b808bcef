import { Argument, type Command } from 'commander';
import { usualUrl } from './server-options.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
const NAMES = ['sites', 'vms'] as const;

/** `tagalong completion SHELL`: prints a script with which a shell completes commands, options and their values. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a script that lets a shell complete commands, options and their values')
    .addArgument(new Argument('<shell>').choices([...SHELLS, ...NAMES]))
    .addHelpText(
      'after',
      `
bash: source <(tagalong completion bash)            in ~/.bashrc
zsh:  source <(tagalong completion zsh)             in ~/.zshrc, after compinit
fish: tagalong completion fish | source             in ~/.config/fish/config.fish

sites, vms: the names at the running process (TAGALONG_URL, TAGALONG_TOKEN), one a line. The scripts call these two.`,
    )
    .action(async (what: (typeof SHELLS | typeof NAMES)[number]) => {
      if (what === 'sites' || what === 'vms') {
        const { printNames } = await import('../run/run-names.ts');
        return printNames(what, { url: usualUrl() });
      }
      const { completionScript } = await import('../output/completion.ts');
      const { completedValues } = await import('./completed-values.ts');
      process.stdout.write(completionScript(program, what, completedValues()));
    });
}
