import type { Command } from 'commander';
import type { InitOptions } from '../run/run-init.ts';

/** `tagalong init`: a configuration with fresh secrets. */
export function addInit(program: Command): void {
  program
    .command('init')
    .description('write a configuration that explains all keys, with fresh secrets in files of their own')
    .argument('[folder]', 'the folder for its files', 'tagalong')
    .option('--host <address>', 'the address to listen on; other hosts can reach any but a loopback one', '127.0.0.1')
    .option('--bus <url>', 'nats://HOST:PORT or kafka://HOST:PORT for bus and store (default: memory of one process)')
    .option('--secrets', 'write the secrets only, for a configuration that names them (Docker Compose, Kubernetes)')
    .action(async (folder: string, options: InitOptions) => {
      const { runInit } = await import('../run/run-init.ts');
      await runInit(folder, options);
    });
}
