/** Carries out `tagalong site list|declare|remove`. */
import { unknownSite } from '#shared/config/nearest.ts';
import type { SiteConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { table } from '../output/table.ts';
import { ask, type ServerOptions } from './client.ts';
import { confirmed } from './confirm.ts';

interface Listing {
  readonly sites: readonly (SiteConfig & { readonly by: string })[];
  readonly removed: readonly { readonly site: string; readonly stranded: readonly string[] }[];
  readonly warnings: readonly string[];
}

/** The options of `tagalong site declare`. */
export interface DeclareOptions extends ServerOptions {
  readonly config?: string;
  readonly at?: { readonly lat: number; readonly lon: number };
  readonly slots?: number;
  readonly uplink?: readonly SiteConfig['uplinks'][number][];
  readonly agent?: string;
  readonly yes?: true;
}

/** The options of `tagalong site remove`. */
export interface RemoveOptions extends ServerOptions {
  readonly force?: true;
  readonly yes?: true;
}

const pathOf = (site: string) => `/v1/sites/${encodeURIComponent(site)}`;

/** Prints the sites, including the removed ones. @throws TagalongError the errors of `ask` */
export async function listSites(options: ServerOptions): Promise<void> {
  const listing = await ask<Listing>(options, 'GET', '/v1/sites');
  if (options.json) return void process.stdout.write(`${JSON.stringify(listing)}\n`);
  const { sites, removed, warnings } = listing;
  const rows = sites.map(({ site, slots, uplinks, draining, by }) => [
    site,
    `${slots}`,
    uplinks.map(({ provider }) => provider).join(', '),
    by,
    draining ? 'draining' : '',
  ]);
  const head = [
    { head: 'site' },
    { head: 'slots', align: 'right' as const },
    { head: 'providers' },
    { head: 'declared by' },
    { head: '' },
  ];
  process.stdout.write(table(head, rows));
  for (const { site, stranded } of removed) {
    const vms = stranded.length === 0 ? '' : `; stranded there: ${stranded.join(', ')}`;
    process.stdout.write(`removed: ${site}${vms}\n`);
  }
  for (const warning of warnings) process.stdout.write(`${warning}\n`);
}

/**
 * Declares a site, from the options or from a configuration.
 * @throws TagalongError USAGE, CONFIG_UNREADABLE, CONFIG_INVALID, and the errors of `ask`
 */
export async function declareSite(site: string, options: DeclareOptions): Promise<void> {
  const body = options.config === undefined ? givenBody(options) : await bodyFrom(options.config, site);
  const answer = await confirmed(site, options, (confirm) =>
    ask<{ warnings: readonly string[] }>(options, 'PUT', pathOf(site) + queryOf({ confirm }), body),
  );
  if (options.json) return void process.stdout.write(`${JSON.stringify(answer)}\n`);
  process.stdout.write(`${site} is declared.\n`);
  for (const warning of answer.warnings) process.stdout.write(`${warning}\n`);
}

/** Removes a site. @throws TagalongError the errors of `ask` */
export async function removeSite(site: string, options: RemoveOptions): Promise<void> {
  await confirmed(site, options, (confirm) =>
    ask(options, 'DELETE', pathOf(site) + queryOf({ force: options.force && 'true', confirm })),
  );
  process.stdout.write(options.json ? `${JSON.stringify({ site, removed: true })}\n` : `${site} is removed.\n`);
}

function queryOf(parameters: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

function givenBody({ at, slots, uplink: uplinks, agent }: DeclareOptions): object {
  if (at === undefined || slots === undefined || uplinks === undefined) {
    throw new TagalongError('USAGE', 'give --at, --slots and --uplink, or --config FILE with the site');
  }
  return { ...at, slots, uplinks, ...(agent !== undefined && { agent }) };
}

async function bodyFrom(path: string, name: string): Promise<object> {
  // Loads the schemas of the whole configuration only here, because the other commands do not need them.
  const { loadConfig } = await import('#shared/config/load.ts');
  const { sites } = await loadConfig(path);
  const found = sites.find(({ site }) => site === name);
  if (found === undefined) {
    const names = sites.map(({ site }) => site);
    throw new TagalongError('USAGE', `${path}: ${unknownSite(name, names)}`);
  }
  const { site: _, ...body } = found;
  return body;
}
