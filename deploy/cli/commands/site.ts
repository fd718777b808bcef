import { type Command, InvalidArgumentError } from 'commander';
import type { SiteConfig } from '#shared/config/schema.ts';
import type { ServerOptions } from '../run/client.ts';
import type { DeclareOptions, RemoveOptions } from '../run/run-site.ts';
import { withServerOptions } from './server-options.ts';

/** `tagalong site list|declare|remove`: lists, declares, changes and removes sites while the services run. */
export function addSite(program: Command): void {
  const site = program.command('site').description('list, declare and remove sites while everything runs');
  const list = site.command('list').description('list the sites, also those that were removed');
  withServerOptions(list).action(async (options: ServerOptions) => {
    const { listSites } = await import('../run/run-site.ts');
    await listSites(options);
  });
  const declare = site
    .command('declare')
    .description('declare a site, or change it; it counts until it is declared again or removed')
    .argument('<site>')
    .option('--config <file>', 'take the site from this configuration')
    .option('--at <lat,lon>', 'its position, in degrees', position)
    .option('--slots <n>', 'number of VMs that it can run', Number)
    .option('--uplink <provider=rateBps...>', 'its uplinks, in bytes a second', uplink)
    .option('--agent <address>', 'address of its agent: https://host:port (real VMs only)')
    .option('--yes', 'confirm it, if the declaration drains the site: do not ask');
  withServerOptions(declare).action(async (name: string, options: DeclareOptions) => {
    const { declareSite } = await import('../run/run-site.ts');
    await declareSite(name, options);
  });
  const remove = site
    .command('remove')
    .description('remove a site that has no VMs')
    .argument('<site>')
    .option('--force', 'remove it even if it has VMs: they are stranded')
    .option('--yes', 'confirm it: do not ask');
  withServerOptions(remove).action(async (name: string, options: RemoveOptions) => {
    const { removeSite } = await import('../run/run-site.ts');
    await removeSite(name, options);
  });
}

function position(text: string) {
  const [lat, lon] = text.split(',').map(Number);
  if (!Number.isFinite(lat) || !Number.isFinite(lon)) throw new InvalidArgumentError('Give degrees, as 41.88,-87.63.');
  return { lat: lat!, lon: lon! };
}

function uplink(text: string, before: readonly SiteConfig['uplinks'][number][] = []) {
  const [provider = '', rate] = text.split('=');
  const rateBps = Number(rate);
  if (provider === '' || !(rateBps > 0)) throw new InvalidArgumentError('Give provider=rateBps, as north=125000000.');
  return [...before, { provider, rateBps }];
}
