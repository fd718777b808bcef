/**
 * What the store knows of the sites: one record each, with who declared it last, and whether it was removed. Every process may
 * read them; only the one whose migrator is on duty writes them. A removed site stays on record, so that no older
 * configuration brings it back, and no heartbeat that the bus still keeps.
 */
import Type, { type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { type SiteConfig, SiteInput } from '#shared/config/schema.ts';
import { VmRetired } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import type { Store } from '#shared/store/store.ts';

const SiteRecordSchema = Type.Object(
  {
    version: Type.Literal(1),
    /** Who had the last word: the configuration of the migrator on duty, or an operator over HTTP. */
    by: Type.Union([Type.Literal('configuration'), Type.Literal('operator')]),
    atMs: VmRetired.properties.atMs,
    removed: Type.Boolean(),
    /** The site as it was declared last. */
    site: SiteInput,
  },
  { additionalProperties: false },
);
const validator = Compile(SiteRecordSchema as TSchema);

/** One site on record. */
export type SiteRecord = Omit<Static<typeof SiteRecordSchema>, 'site'> & { readonly site: SiteConfig };

const PREFIX = 'site/';

/** A record with the revision that the next write builds on; 0 where there is none. */
export interface SiteOnRecord {
  readonly record: SiteRecord | undefined;
  readonly revision: number;
}

/** The records of the sites. One that cannot be read counts as none, and is said once. */
export class SiteRecords {
  readonly #store: Store;
  readonly #log: Log;
  readonly #unreadable = new Set<string>();

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  async get(site: string): Promise<SiteOnRecord> {
    const stored = await this.#store.get<unknown>(PREFIX + site);
    return { record: stored && this.#read(site, stored.value), revision: stored?.revision ?? 0 };
  }

  /** All sites on record by name, removed ones too. */
  async all(): Promise<Map<string, SiteOnRecord>> {
    const stored = await this.#store.list<unknown>(PREFIX);
    return new Map(
      stored.map(({ key, value, revision }) => {
        const site = key.slice(PREFIX.length);
        return [site, { record: this.#read(site, value), revision }];
      }),
    );
  }

  /** @throws TagalongError STORE_CONFLICT where somebody else wrote it first */
  async put(record: SiteRecord, revision: number): Promise<void> {
    await this.#store.put([{ key: PREFIX + record.site.site, value: record, revision }]);
  }

  #read(site: string, value: unknown): SiteRecord | undefined {
    if (validator.Check(value) && (value as SiteRecord).site.site === site) {
      this.#unreadable.delete(site);
      return value as SiteRecord;
    }
    if (!this.#unreadable.has(site)) {
      this.#log.error({ site }, 'the record of a site cannot be read and does not count; declare the site again');
      this.#unreadable.add(site);
    }
    return undefined;
  }
}
