/** Whether there is a site of that name, for processes that do not speak for the sites. */
import { unknownSite } from '#shared/config/nearest.ts';
import type { Store } from '#shared/store/store.ts';
import { SiteRecords } from './records.ts';

export interface KnownSites {
  /** What is wrong with the name, with the site that was probably meant; undefined: there is a site of that name. */
  faultOf(site: string): Promise<string | undefined>;
  names(): Promise<readonly string[]>;
}

/**
 * The sites that are on record, and those of this process's configuration of which the records say nothing. The records are
 * read at each question, so several processes give the same answer as soon as a site was declared or removed.
 * @param sites those of the configuration
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
