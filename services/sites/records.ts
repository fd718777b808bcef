/**
 * The stored records of the sites: the source of the last declaration, and whether the site is removed. Every process may read
 * them; only the leading migrator writes them. The record of a removed site stays, so that neither an older configuration nor an
 * old heartbeat on the bus brings the site back.
 */
import Type, { type Static } from 'typebox';
import type { SiteConfig } from '#shared/config/schema.ts';
import { Amount, Count, closed, Lat, Lon, Ms, Name, oneOf, recordKind, Text } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store, Stored } from '#shared/store/store.ts';
import { isUnreadable } from '#shared/store/update.ts';

const StoredSite = Type.Object(
  {
    /** The source of the last change: the configuration of the leading migrator, or an operator over HTTP. */
    by: oneOf(['configuration', 'operator']),
    atMs: Ms,
    removed: Type.Boolean(),
    /** The site as it was declared last. */
    site: Type.Object(
      {
        site: Name,
        lat: Lat,
        lon: Lon,
        slots: Count,
        draining: Type.Boolean(),
        uplinks: Type.Array(Type.Object({ provider: Name, rateBps: Amount, address: Type.Optional(Text) }, closed)),
        agent: Type.Optional(Text),
      },
      closed,
    ),
    /** Of a removed site: its last known VMs. They are not started at another site. */
    stranded: Type.Optional(Type.Array(Name)),
  },
  closed,
);

/** The kind of these records. Uplinks have addresses since version 1; programs before version 0 stored none. */
export const DECLARED_SITE_RECORD = recordKind({
  kind: 'declared-site',
  keys: 'site/<site>',
  owner: 'migrator',
  version: 1,
  schema: StoredSite,
  upgrade: { 0: (old) => old },
});

/** The record of one site; `atMs`: when it was changed, in milliseconds since the epoch. */
export type SiteRecord = Omit<Static<typeof StoredSite>, 'site' | 'stranded'> & {
  readonly site: SiteConfig;
  readonly stranded?: readonly string[];
};

const PREFIX = 'site/';

/** A record with the revision that the next write expects; 0: there is none. */
export interface SiteOnRecord {
  readonly record: SiteRecord | undefined;
  readonly revision: number;
}

/**
 * The records of the sites. An unreadable record counts as missing, and the next declaration of its site replaces it. A lost write
 * is reported to the operator and not repeated. `updateRecord` does neither.
 */
export class SiteRecords {
  readonly #store: Store;
  readonly #setAside: SetAside | undefined;

  /** @param setAside receives records that cannot be read; left out where the records are only read */
  constructor(store: Store, setAside?: SetAside) {
    this.#store = store;
    this.#setAside = setAside;
  }

  /** Revision 0: nothing is stored. A revision without a record: the stored record cannot be read. */
  async get(site: string): Promise<SiteOnRecord> {
    const stored = await this.#store.get<unknown>(PREFIX + site);
    return stored === undefined ? { record: undefined, revision: 0 } : this.#read(site, stored);
  }

  /** All records by the names of their sites, removed ones too. */
  async all(): Promise<Map<string, SiteOnRecord>> {
    const stored = await this.#store.list<unknown>(PREFIX);
    return new Map(stored.map((one) => [one.key.slice(PREFIX.length), this.#read(one.key.slice(PREFIX.length), one)]));
  }

  /** Writes a record. @throws TagalongError STORE_CONFLICT where another process wrote it first */
  async put(record: SiteRecord, revision: number): Promise<void> {
    const key = PREFIX + record.site.site;
    await this.#store.put([{ key, value: DECLARED_SITE_RECORD.write(record as Static<typeof StoredSite>), revision }]);
    this.#setAside?.release(key);
  }

  #read(site: string, { key, value, revision }: Stored<unknown>): SiteOnRecord {
    try {
      const record = DECLARED_SITE_RECORD.read(value);
      this.#setAside?.release(key);
      return { record: record.site.site === site ? record : undefined, revision };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#setAside?.add(DECLARED_SITE_RECORD, key, error);
      return { record: undefined, revision };
    }
  }
}
