/** Whether there is a site of that name, for processes that do not speak for the sites. */
import { unknownSite } from '#shared/config/nearest.ts';
import type { Log } from '#shared/log.ts';
import type { Store } from '#shared/store/store.ts';
import { SiteRecords } from './records.ts';

export interface KnownSites {
  /** What is wrong with the name, with the site that was probably meant; undefined: there is a site of that name. */
  faultOf(site: string): Promise<string | undefined>;
}

/**
 * The sites that are on record, and those of this process's configuration of which the records say nothing. The records are
 * read at each question, so several processes give the same answer as soon as a site was declared or removed.
 * @param sites those of the configuration
 */
export function knownSites(store: Store, sites: readonly { readonly site: string }[], log: Log): KnownSites {
  const records = new SiteRecords(store, log);
  const configured = sites.map(({ site }) => site);
  return {
    async faultOf(site) {
      const { record } = await records.get(site);
      if (record === undefined ? configured.includes(site) : !record.removed) return undefined;
      const names = new Set(configured);
      for (const [name, { record: other }] of await records.all()) {
        if (other?.removed) names.delete(name);
        else if (other !== undefined) names.add(name);
      }
      return unknownSite(site, [...names]);
    },
  };
}
