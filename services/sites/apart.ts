/** Which sites have no network path to each other, in words. */
import type { SiteConfig } from '#shared/config/schema.ts';
import { pathsBetween } from '#shared/model/paths.ts';

/** More names in one line help nobody. */
const MOST_NAMES = 10;

/**
 * A line for each site that has no provider in common with some others: no VM can move between them.
 * @param of only what concerns this site; each pair is said once where it is left out
 */
export function apartWarnings(sites: readonly SiteConfig[], of?: string): string[] {
  const said = new Set<string>();
  return sites.flatMap((site) => {
    if (of !== undefined && site.site !== of) return [];
    const others = sites.filter((other) => other !== site && pathsBetween(site, other).length === 0);
    const apart = others.map((other) => other.site).filter((other) => !said.has(other));
    said.add(site.site);
    if (apart.length === 0) return [];
    const which = others.length > 1 && others.length === sites.length - 1 ? 'any other site' : named(apart);
    return [`no-path: ${site.site} has no provider in common with ${which}; no VM can move between them`];
  });
}

function named(sites: readonly string[]): string {
  const rest = sites.length - MOST_NAMES;
  return sites.slice(0, MOST_NAMES).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
