/**
 * The list of sites, owned by the leading migrator. It begins with the configuration. Declarations and removals by an operator over
 * HTTP override the configuration, also after restarts, until the operator changes them.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { unknownSite } from '#shared/config/nearest.ts';
import type { Config, SiteConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { envelop } from '#shared/events/index.ts';
import type { Hosts } from '#shared/hypervisor/hosts.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { apartWarnings } from './apart.ts';
import { type SiteRecord, SiteRecords } from './records.ts';

/** The sites, with their stored records. Every write may throw STORE_CONFLICT, if another process has become the leader. */
export interface SiteRegistry {
  /** The present sites. Those of the configuration until `open`. */
  list(): readonly SiteConfig[];
  /**
   * Called when this process becomes the leader: merges the configuration with the operators' declarations and removals, and
   * declares the result to the hosts. Logs each difference in one line.
   */
  open(): Promise<void>;
  /** Publishes the removed sites, and records their VMs. Called once the hosts are open. */
  announce(): Promise<void>;
  /**
   * Declares a new site, or changes one.
   * @returns warnings for the operator, one line each
   * @throws TagalongError STORE_CONFLICT
   */
  declare(site: SiteConfig): Promise<readonly string[]>;
  /**
   * Removes a site. Its VMs are stranded.
   * @throws TagalongError SITE_UNKNOWN; SITE_IN_USE where it has VMs and `force` is false, or where a move leads to or from it
   */
  remove(site: string, force: boolean): Promise<void>;
  /** The removed site where a VM is stranded; undefined: none. The VM may still run there and must not be started at another site. */
  strandedAt(vm: string): string | undefined;
  /** Deletes a retired VM from the records of all removed sites. */
  forget(vm: string): Promise<void>;
  /** All stored records. Any process may read them. */
  onRecord(): Promise<readonly SiteRecord[]>;
}

/** The dependencies of the registry. */
export interface SiteRegistryOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly hosts: Hosts;
  readonly config: Pick<Config, 'sites'>;
  readonly log: Log;
  /** Receives records that cannot be read. */
  readonly setAside?: SetAside;
  /** The moves that are under way. */
  readonly moves: () => readonly { readonly migration: string; readonly from: string; readonly to: string }[];
}

/** Creates the registry. Owns the records `site/<site>`, and publishes `site.removed.v1`. */
export function siteRegistry(options: SiteRegistryOptions): SiteRegistry {
  return new StoredSites(options);
}

class StoredSites implements SiteRegistry {
  readonly #options: SiteRegistryOptions;
  readonly #log: Log;
  readonly #records: SiteRecords;
  #sites: Map<string, SiteConfig>;
  /** Removed sites by name, with the VMs that are stranded there. */
  readonly #gone = new Map<string, SiteRecord>();

  constructor(options: SiteRegistryOptions) {
    this.#options = options;
    this.#log = serviceLog(options.log, 'agent');
    this.#records = new SiteRecords(options.store, options.setAside);
    this.#sites = new Map(options.config.sites.map((site) => [site.site, site]));
  }

  list(): readonly SiteConfig[] {
    return [...this.#sites.values()];
  }

  async open(): Promise<void> {
    const { hosts, config } = this.#options;
    const known = await this.#records.all();
    this.#gone.clear();
    const next = await this.#configured(config.sites, known);
    for (const { site } of config.sites) known.delete(site);
    await this.#addUnconfigured(next, known);
    for (const { site } of this.#gone.values()) await hosts.withdraw(site);
    for (const site of next.values()) await hosts.declare(site);
    this.#sites = next;
    for (const line of apartWarnings([...next.values()])) this.#log.warn(line);
  }

  async announce(): Promise<void> {
    for (const [name, { stranded: known, ...record }] of this.#gone) {
      const stranded = known ?? (await this.#options.hosts.vmsAt(name));
      if (known === undefined && stranded !== undefined) {
        const { revision } = await this.#records.get(name);
        await this.#records.put({ ...record, stranded }, revision);
      }
      this.#strand({ ...record, ...(stranded && { stranded }) });
      await this.#publishRemoved(name, record.atMs);
    }
  }

  async declare(site: SiteConfig): Promise<readonly string[]> {
    const { revision } = await this.#records.get(site.site);
    await this.#write({ by: 'operator', removed: false, site }, revision);
    await this.#options.hosts.declare(site);
    this.#sites.set(site.site, site);
    this.#gone.delete(site.site);
    this.#log.info({ site: site.site }, 'site declared');
    return apartWarnings([...this.#sites.values()], site.site);
  }

  async remove(name: string, force: boolean): Promise<void> {
    const { hosts } = this.#options;
    const site = this.#sites.get(name);
    if (site === undefined) throw new TagalongError('SITE_UNKNOWN', unknownSite(name, [...this.#sites.keys()]));
    this.#refuseMoves(name);
    const vms = await hosts.vmsAt(name);
    if (!force) refuseVms(name, vms);
    const { revision } = await this.#records.get(name);
    this.#sites.delete(name);
    await hosts.withdraw(site);
    // Queries the site again after the withdrawal. Without an answer, the VMs of the first answer count.
    const stranded = (await hosts.vmsAt(name)) ?? vms ?? [];
    const removed = { by: 'operator', removed: true, site, stranded } as const;
    const record = await this.#write(removed, revision).catch(async (error) => {
      this.#sites.set(name, site);
      await hosts.declare(site);
      throw error;
    });
    this.#strand(record);
    await this.#publishRemoved(name, record.atMs);
    this.#log.warn({ site: name }, 'site removed');
  }

  strandedAt(vm: string): string | undefined {
    return [...this.#gone.values()].find(({ stranded }) => stranded?.includes(vm))?.site.site;
  }

  async forget(vm: string): Promise<void> {
    for (const [name, { record, revision }] of await this.#records.all()) {
      if (!record?.stranded?.includes(vm)) continue;
      const left = { ...record, stranded: record.stranded.filter((other) => other !== vm) };
      await this.#records.put(left, revision);
      if (this.#gone.has(name)) this.#gone.set(name, left);
    }
  }

  async onRecord(): Promise<readonly SiteRecord[]> {
    return [...(await this.#records.all()).values()].flatMap(({ record }) => (record === undefined ? [] : [record]));
  }

  /** The sites of the configuration that are not removed, as an operator has changed them. Records the others. */
  async #configured(sites: readonly SiteConfig[], known: KnownRecords): Promise<Map<string, SiteConfig>> {
    const next = new Map<string, SiteConfig>();
    for (const site of sites) {
      const { record, revision } = known.get(site.site) ?? { record: undefined, revision: 0 };
      if (record?.by === 'operator') {
        logDifference(this.#log, site, record);
        if (record.removed) this.#gone.set(site.site, record);
        else next.set(site.site, record.site);
        continue;
      }
      next.set(site.site, site);
      if (record !== undefined && !record.removed && isDeepStrictEqual(record.site, site)) continue;
      await this.#write({ by: 'configuration', removed: false, site }, revision);
      if (record !== undefined) this.#log.info({ site: site.site }, 'a site has changed with the configuration');
    }
    return next;
  }

  /** Adds the sites that only an operator has declared; removes those that have left the configuration. */
  async #addUnconfigured(next: Map<string, SiteConfig>, known: KnownRecords): Promise<void> {
    for (const [site, { record, revision }] of known) {
      if (record === undefined) continue;
      if (record.removed) this.#gone.set(site, record);
      else if (record.by === 'operator') {
        this.#log.info({ site }, 'a site that an operator declared is not in the configuration; it is used');
        next.set(site, record.site);
      } else {
        this.#log.warn({ site }, 'a site is no longer in the configuration and is removed');
        this.#gone.set(site, await this.#write({ by: 'configuration', removed: true, site: record.site }, revision));
      }
    }
  }

  /** Publishes the removal of a site. Each new leader publishes it again, under the same id, for processes that missed it. */
  #publishRemoved(site: string, atMs: number): Promise<void> {
    const fact = { type: 'site.removed.v1', data: { site, atMs } } as const;
    return this.#options.bus.publish([envelop(fact, `site-removed:${site}:${atMs}`, '/tagalong/agent')]);
  }

  async #write(part: Omit<SiteRecord, 'atMs'>, revision: number): Promise<SiteRecord> {
    const record: SiteRecord = { atMs: Math.round(this.#options.clock.now()), ...part };
    await this.#records.put(record, revision);
    return record;
  }

  #strand(record: SiteRecord): void {
    this.#gone.set(record.site.site, record);
    const { site, stranded = [] } = record;
    if (stranded.length > 0) this.#log.error({ site: site.site, vms: stranded }, STRANDED);
  }

  #refuseMoves(name: string): void {
    const under = this.#options.moves().filter(({ from, to }) => from === name || to === name);
    if (under.length === 0) return;
    const which = under.map(({ migration }) => migration).join(', ');
    throw new TagalongError(
      'SITE_IN_USE',
      `${name}: moves to or from this site are under way (${which}); cancel them, or pause automatic moves (PUT /v1/automation) and wait until they end`,
    );
  }
}

type KnownRecords = Awaited<ReturnType<SiteRecords['all']>>;

const STRANDED =
  'VMs are stranded at a site that was removed; declare the site again, or retire VMs that do not exist any more (DELETE /v1/vms/NAME)';

function refuseVms(site: string, vms: readonly string[] | undefined): void {
  if (vms?.length === 0) return;
  const what = vms === undefined ? 'its agent does not answer, so it may have VMs' : `it has ${vms.length} VMs`;
  const next = `drain it first (tagalong drain ${site}), or remove it with --force, which strands them`;
  throw new TagalongError('SITE_IN_USE', `${site}: ${what}; ${next}`);
}

/** Logs where an operator's record takes precedence over the configuration. */
function logDifference(log: Log, site: SiteConfig, record: SiteRecord): void {
  const name = site.site;
  const since = new Date(record.atMs).toISOString();
  const mend = `tagalong site declare ${name} --config FILE takes the configuration's`;
  if (record.removed) {
    log.warn({ site: name, since }, `a site of the configuration was removed by an operator and stays away; ${mend}`);
    return;
  }
  const keys = [...new Set([...Object.keys(site), ...Object.keys(record.site)])] as (keyof SiteConfig)[];
  const differs = keys.filter((key) => !isDeepStrictEqual(site[key], record.site[key]));
  if (differs.length === 0) return;
  log.warn(
    { site: name, since, differs },
    `an operator's declaration of a site counts, not the configuration; ${mend}`,
  );
}
