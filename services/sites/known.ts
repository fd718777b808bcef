/** Looks up sites in the store, for processes that are not the leader. */
import { unknownSite } from '#shared/config/nearest.ts';
import type { Store } from '#shared/store/store.ts';
import { SiteRecords } from './records.ts';

/** The names of the stored and configured sites. */
export interface KnownSites {
  /** The reason why a site is unknown, with the most similar name; undefined: the site exists. */
  faultOf(site: string): Promise<string | undefined>;
  /** The names of all sites that exist. */
  names(): Promise<readonly string[]>;
}

/**
 * The stored sites, and the configured sites that have no record. The records are read for each question, so all processes
 * give the same answer as soon as a site was declared or removed.
 * @param sites the sites of this process's configuration
 */
export function knownSites(store: Store, sites: readonly { readonly site: string }[]): KnownSites {
  const records = new SiteRecords(store);
  const configured = sites.map(({ site }) => site);
  const names = async () => {
    const there = new Set(configured);
    for (const [name, { record }] of await records.all()) {
      if (record?.removed) there.delete(name);
      else if (record !== undefined) there.add(name);
    }
    return [...there];
  };
  return {
    names,
    async faultOf(site) {
      const { record } = await records.get(site);
      const isThere = record === undefined ? configured.includes(site) : !record.removed;
      return isThere ? undefined : unknownSite(site, await names());
    },
  };
}
