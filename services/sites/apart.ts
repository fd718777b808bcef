/** Warnings about sites that have no network path to each other. */
import type { SiteConfig } from '#shared/config/schema.ts';
import { pathsBetween } from '#shared/model/paths.ts';

/** More names would make a line unreadable. */
const MAX_NAMES = 10;

/**
 * One line for each site that shares no provider with some other sites: no VM can move between them.
 * @param of only lines about this site; without it each pair is named once
 */
export function apartWarnings(sites: readonly SiteConfig[], of?: string): string[] {
  const named = new Set<string>();
  return sites.flatMap((site) => {
    if (of !== undefined && site.site !== of) return [];
    const others = sites.filter((other) => other !== site && pathsBetween(site, other).length === 0);
    const apart = others.map((other) => other.site).filter((other) => !named.has(other));
    named.add(site.site);
    if (apart.length === 0) return [];
    const which = others.length > 1 && others.length === sites.length - 1 ? 'any other site' : listed(apart);
    return [`no-path: ${site.site} has no provider in common with ${which}; no VM can move between them`];
  });
}

function listed(sites: readonly string[]): string {
  const rest = sites.length - MAX_NAMES;
  return sites.slice(0, MAX_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
