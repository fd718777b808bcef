import { Argument, type Command } from 'commander';

/** `tagalong completion SHELL`: prints a script with which a shell completes commands and options. */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description('print a script that lets a shell complete commands and options')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
bash: source <(tagalong completion bash)            in ~/.bashrc
zsh:  source <(tagalong completion zsh)             in ~/.zshrc, after compinit
fish: tagalong completion fish | source             in ~/.config/fish/config.fish`,
    )
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completionScript } = await import('../output/completion.ts');
      process.stdout.write(completionScript(program, shell));
    });
}
