import type { Command } from 'commander';
import type { ServiceOptions } from '../run/run-service.ts';
import { portOption } from './options.ts';

const DESCRIPTIONS = {
  ingest: 'run ingest alone: take in locations, VMs and sessions; several may run',
  placement: 'run placement alone: decide where VMs belong; several share them',
  migrator: 'run the migrator alone: move VMs, speak for the sites; one is the leader, others stand by',
  monitor: 'run the monitor alone: metrics of what happens on the bus; keep dead letters',
  dashboard: 'run the dashboard alone: a live map, and what operators may do; several may run',
} as const;

/** `tagalong ingest|placement|migrator|monitor|dashboard`: one service as a process of its own, until stopped. */
export function addServices(program: Command): void {
  for (const [name, description] of Object.entries(DESCRIPTIONS)) {
    program
      .command(name)
      .description(description)
      .requiredOption('--config <file>', 'the configuration that all services share, in YAML or JSON')
      .option('--port <n>', 'port for requests; takes precedence over the configuration', portOption)
      .action(async (options: ServiceOptions) => {
        const { runService } = await import('../run/run-service.ts');
        await runService(name as keyof typeof DESCRIPTIONS, options);
      });
  }
}
