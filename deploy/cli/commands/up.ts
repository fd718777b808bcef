import { type Command, Option } from 'commander';
import type { LiveOptions } from '../run/run-live.ts';

/** `tagalong up`: a configuration of one's own, on the real clock, until stopped. */
export function addUp(program: Command): void {
  program
    .command('up')
    .description('run with your own sites and VMs, until stopped')
    .requiredOption('--config <file>', 'sites, VMs and settings, in YAML or JSON')
    .addOption(
      new Option('--hypervisor <kind>', 'hypervisor of the VMs; overrules the configuration').choices([
        'simulated',
        'qemu',
      ]),
    )
    .action(async (options: LiveOptions) => {
      const { runLive } = await import('../run/run-live.ts');
      await runLive(options);
    });
}
