import type { Command } from 'commander';
import type { ServerOptions } from '../run/client.ts';
import { withServerOptions } from './server-options.ts';

/** `tagalong status`: all sites, VMs and moves under way. */
export function addStatus(program: Command): void {
  const command = program.command('status').description('show sites, VMs and moves under way');
  withServerOptions(command).action(async (options: ServerOptions) => {
    const { runStatus } = await import('../run/run-status.ts');
    await runStatus(options);
  });
}
