import type { Command } from 'commander';

/** `tagalong agent`: the agent of one site, on the host that runs its VMs, until stopped. */
export function addAgent(program: Command): void {
  program
    .command('agent')
    .description('run a site: own its QEMU processes and take orders for them (Linux, root)')
    .requiredOption('--config <file>', 'the site, its LAN, its paths and its images, in YAML or JSON')
    .action(async ({ config }: { readonly config: string }) => {
      const { runAgent } = await import('../run/run-agent.ts');
      await runAgent(config);
    });
}
