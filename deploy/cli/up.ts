import type { Command } from 'commander';

/** `tagalong up`: a configuration of one's own, on the real clock, until stopped. */
export function addUp(program: Command): void {
  program
    .command('up')
    .description('run with your own sites and VMs, until stopped')
    .requiredOption('--config <file>', 'sites, VMs and settings, in YAML or JSON')
    .action(async ({ config }: { readonly config: string }) => {
      const { runLive } = await import('./run-live.ts');
      await runLive(config);
    });
}
