import type { Command } from 'commander';
import type { ServerOptions } from '../run/client.ts';
import { withServerOptions } from './server-options.ts';

/** `tagalong explain VM`: explains why the VM is at its site, or why it moves. */
export function addExplain(program: Command): void {
  const command = program.command('explain').description('explain why a VM is at its site').argument('<vm>');
  withServerOptions(command).action(async (vm: string, options: ServerOptions) => {
    const { runExplain } = await import('../run/run-explain.ts');
    await runExplain(vm, options);
  });
}
