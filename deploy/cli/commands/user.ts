import type { Command } from 'commander';
import type { ServerOptions } from '../run/client.ts';
import { withServerOptions } from './server-options.ts';

/** `tagalong user export|erase`: everything that is kept about one person. */
export function addUser(program: Command): void {
  const user = program.command('user').description('export or erase everything that is kept about one user');
  const exported = user
    .command('export')
    .description('print everything that is kept about a user, as JSON')
    .argument('<user>', 'its id, as devices and sessions name it');
  withServerOptions(exported).action(async (id: string, options: ServerOptions) => {
    const { exportUser } = await import('../run/run-user.ts');
    await exportUser(id, options);
  });
  const erase = user
    .command('erase')
    .description('erase a user: sessions, tokens, positions, events; prints what is left and until when')
    .argument('<user>', 'its id, as devices and sessions name it');
  withServerOptions(erase).action(async (id: string, options: ServerOptions) => {
    const { eraseUser } = await import('../run/run-user.ts');
    await eraseUser(id, options);
  });
}
