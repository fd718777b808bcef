import type { Command } from 'commander';
import type { StaysOptions } from '../run/run-stays.ts';
import { withServerOptions } from './server-options.ts';

/** `tagalong stays [SITE]`: what has been learned of the users' stays. */
export function addStays(program: Command): void {
  const command = program
    .command('stays')
    .description('show how long users stay at each site, where they come from and where they go')
    .argument('[site]', 'one site with all its neighbours');
  withServerOptions(command).action(async (site: string | undefined, options: StaysOptions) => {
    const { runStays } = await import('../run/run-stays.ts');
    await runStays(site, options);
  });
}
