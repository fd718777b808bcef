import { type Command, Option } from 'commander';
import { ROLES } from '#shared/roles.ts';
import type { ServerOptions } from '../run/client.ts';
import type { CreateOptions } from '../run/run-token.ts';
import { spanOption } from './options.ts';
import { withServerOptions } from './server-options.ts';

const NINETY_DAYS_MS = 90 * 86_400_000;

/** `tagalong token create|list|revoke`: tokens with a role and an end. */
export function addToken(program: Command): void {
  const token = program.command('token').description('issue, list and revoke tokens of devices and people');
  const create = token
    .command('create')
    .description('issue a token; it is printed once, and nobody can read it again')
    .addOption(new Option('--role <role>', 'the permissions of the token').choices(ROLES).makeOptionMandatory())
    .option('--user <user>', 'the user for whom a device reports (role device only)')
    .option('--expires <time>', 'its life, as 30d, 12h or 15m', spanOption, NINETY_DAYS_MS);
  withServerOptions(create).action(async (options: CreateOptions) => {
    const { createToken } = await import('../run/run-token.ts');
    await createToken(options);
  });
  const list = token.command('list').description('list the issued tokens, without their secrets');
  withServerOptions(list).action(async (options: ServerOptions) => {
    const { listTokens } = await import('../run/run-token.ts');
    await listTokens(options);
  });
  const revoke = token
    .command('revoke')
    .description('revoke a token: all processes refuse it within seconds')
    .argument('<id>', 'its id, as list shows it');
  withServerOptions(revoke).action(async (id: string, options: ServerOptions) => {
    const { revokeToken } = await import('../run/run-token.ts');
    await revokeToken(id, options);
  });
}
