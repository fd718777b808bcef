import type { Command } from 'commander';
import type { LocalOptions } from '../run/run-local.ts';

/** `tagalong local`: runs the services of Docker Compose as processes on this host's loopback, until stopped. */
export function addLocal(program: Command): void {
  program
    .command('local')
    .description('run deploy/compose as processes on loopback: three NATS servers, all services, Prometheus')
    .option('--config <file>', 'the configuration that the services share (default: deploy/compose/tagalong.nats.yaml)')
    .option('--json', 'print the processes as JSON')
    .action(async (options: LocalOptions) => {
      const { runLocal } = await import('../run/run-local.ts');
      await runLocal(options);
    });
}
