import { type Command, InvalidArgumentError } from 'commander';
import { loadConfig } from '#shared/config/load.ts';
import { unknownSite } from '#shared/config/nearest.ts';
import type { SiteConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { table } from '../output/table.ts';
import { ask, type ServerOptions, withServerOptions } from './client.ts';

interface Listing {
  readonly sites: readonly (SiteConfig & { readonly by: string })[];
  readonly removed: readonly { readonly site: string; readonly stranded: readonly string[] }[];
  readonly warnings: readonly string[];
}

interface DeclareOptions extends ServerOptions {
  readonly config?: string;
  readonly at?: { readonly lat: number; readonly lon: number };
  readonly slots?: number;
  readonly uplink?: readonly SiteConfig['uplinks'][number][];
  readonly agent?: string;
}

/** `tagalong site list|declare|remove`: sites come, change and go while everything runs. */
export function addSite(program: Command): void {
  const site = program.command('site').description('list, declare and remove sites while everything runs');
  withServerOptions(site.command('list').description('list the sites, and those that were removed')).action(list);
  const declare = site
    .command('declare')
    .description('declare a site, or what is new of it; it counts until it is declared anew or removed')
    .argument('<site>')
    .option('--config <file>', 'take the site from this configuration')
    .option('--at <lat,lon>', 'where it is, in degrees', position)
    .option('--slots <n>', 'how many VMs it can run', Number)
    .option('--uplink <provider=rateBps...>', 'its uplinks, in bytes a second', uplink)
    .option('--agent <address>', 'where its agent takes orders: https://host:port (real VMs only)');
  withServerOptions(declare).action(declareSite);
  const remove = site
    .command('remove')
    .description('remove a site that has no VMs')
    .argument('<site>')
    .option('--force', 'also where VMs are there: they are stranded');
  withServerOptions(remove).action(removeSite);
}

const pathOf = (site: string) => `/v1/sites/${encodeURIComponent(site)}`;

async function list(options: ServerOptions): Promise<void> {
  const listing = await ask<Listing>(options, 'GET', '/v1/sites');
  if (options.json) return void process.stdout.write(`${JSON.stringify(listing)}\n`);
  const { sites, removed, warnings } = listing;
  const rows = sites.map(({ site, slots, uplinks, by }) => [
    site,
    `${slots}`,
    uplinks.map(({ provider }) => provider).join(', '),
    by,
  ]);
  const head = [
    { head: 'site' },
    { head: 'slots', align: 'right' as const },
    { head: 'providers' },
    { head: 'declared by' },
  ];
  process.stdout.write(table(head, rows));
  for (const { site, stranded } of removed) {
    const vms = stranded.length === 0 ? '' : `; stranded there: ${stranded.join(', ')}`;
    process.stdout.write(`removed: ${site}${vms}\n`);
  }
  for (const warning of warnings) process.stdout.write(`${warning}\n`);
}

async function declareSite(site: string, options: DeclareOptions): Promise<void> {
  const body = options.config === undefined ? givenBody(options) : await bodyFrom(options.config, site);
  const answer = await ask<{ warnings: readonly string[] }>(options, 'PUT', pathOf(site), body);
  if (options.json) return void process.stdout.write(`${JSON.stringify(answer)}\n`);
  process.stdout.write(`${site} is declared.\n`);
  for (const warning of answer.warnings) process.stdout.write(`${warning}\n`);
}

async function removeSite(site: string, options: ServerOptions & { readonly force?: boolean }): Promise<void> {
  await ask(options, 'DELETE', `${pathOf(site)}${options.force ? '?force=true' : ''}`);
  process.stdout.write(options.json ? `${JSON.stringify({ site, removed: true })}\n` : `${site} is removed.\n`);
}

function givenBody({ at, slots, uplink: uplinks, agent }: DeclareOptions): object {
  if (at === undefined || slots === undefined || uplinks === undefined) {
    throw new TagalongError('USAGE', 'give --at, --slots and --uplink, or --config FILE with the site');
  }
  return { ...at, slots, uplinks, ...(agent !== undefined && { agent }) };
}

async function bodyFrom(path: string, name: string): Promise<object> {
  const { sites } = await loadConfig(path);
  const found = sites.find(({ site }) => site === name);
  if (found === undefined) {
    const names = sites.map(({ site }) => site);
    throw new TagalongError('USAGE', `${path}: ${unknownSite(name, names)}`);
  }
  const { site: _, ...body } = found;
  return body;
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
