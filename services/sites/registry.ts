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
  const { bus, store, clock, hosts, config, moves } = options;
  const log = serviceLog(options.log, 'agent');
  const records = new SiteRecords(store, options.setAside);
  let sites = new Map(config.sites.map((site) => [site.site, site]));
  const nowMs = () => Math.round(clock.now());

  /** Publishes the removal of a site. Each new leader publishes it again, under the same id, for processes that missed it. */
  const publishRemoved = (site: string, atMs: number) =>
    bus.publish([
      envelop({ type: 'site.removed.v1', data: { site, atMs } }, `site-removed:${site}:${atMs}`, '/tagalong/agent'),
    ]);
  const write = async (part: Omit<SiteRecord, 'atMs'>, revision: number) => {
    const record: SiteRecord = { atMs: nowMs(), ...part };
    await records.put(record, revision);
    return record;
  };
  /** Removed sites by name, with the VMs that are stranded there. */
  const gone = new Map<string, SiteRecord>();
  const strand = (record: SiteRecord) => {
    gone.set(record.site.site, record);
    const { site, stranded = [] } = record;
    if (stranded.length > 0) log.error({ site: site.site, vms: stranded }, STRANDED);
  };

  return {
    list: () => [...sites.values()],
    async open() {
      const known = await records.all();
      const next = new Map<string, SiteConfig>();
      gone.clear();
      for (const site of config.sites) {
        const { record, revision } = known.get(site.site) ?? { record: undefined, revision: 0 };
        known.delete(site.site);
        if (record?.by === 'operator') {
          logDifference(log, site, record);
          if (record.removed) gone.set(site.site, record);
          else next.set(site.site, record.site);
          continue;
        }
        next.set(site.site, site);
        if (record !== undefined && !record.removed && isDeepStrictEqual(record.site, site)) continue;
        await write({ by: 'configuration', removed: false, site }, revision);
        if (record !== undefined) log.info({ site: site.site }, 'a site has changed with the configuration');
      }
      for (const [site, { record, revision }] of known) {
        if (record === undefined) continue;
        if (record.removed) gone.set(site, record);
        else if (record.by === 'operator') {
          log.info({ site }, 'a site that an operator declared is not in the configuration; it is used');
          next.set(site, record.site);
        } else {
          log.warn({ site }, 'a site is no longer in the configuration and is removed');
          gone.set(site, await write({ by: 'configuration', removed: true, site: record.site }, revision));
        }
      }
      for (const { site } of gone.values()) await hosts.withdraw(site);
      for (const site of next.values()) await hosts.declare(site);
      sites = next;
      for (const line of apartWarnings([...next.values()])) log.warn(line);
    },

    async announce() {
      for (const [name, { stranded: known, ...record }] of gone) {
        const stranded = known ?? (await hosts.vmsAt(name));
        if (known === undefined && stranded !== undefined) {
          const { revision } = await records.get(name);
          await records.put({ ...record, stranded }, revision);
        }
        strand({ ...record, ...(stranded && { stranded }) });
        await publishRemoved(name, record.atMs);
      }
    },

    async declare(site) {
      const { revision } = await records.get(site.site);
      await write({ by: 'operator', removed: false, site }, revision);
      await hosts.declare(site);
      sites.set(site.site, site);
      gone.delete(site.site);
      log.info({ site: site.site }, 'site declared');
      return apartWarnings([...sites.values()], site.site);
    },

    async remove(name, force) {
      const site = sites.get(name);
      if (site === undefined) throw new TagalongError('SITE_UNKNOWN', unknownSite(name, [...sites.keys()]));
      const under = moves().filter(({ from, to }) => from === name || to === name);
      if (under.length > 0) {
        const which = under.map(({ migration }) => migration).join(', ');
        throw new TagalongError(
          'SITE_IN_USE',
          `${name}: moves to or from this site are under way (${which}); cancel them, or pause automatic moves (PUT /v1/automation) and wait until they end`,
        );
      }
      const vms = await hosts.vmsAt(name);
      if (!force) refuseVms(name, vms);
      const { revision } = await records.get(name);
      sites.delete(name);
      await hosts.withdraw(site);
      // Queries the site again after the withdrawal. Without an answer, the VMs of the first answer count.
      const stranded = (await hosts.vmsAt(name)) ?? vms ?? [];
      const record = await write({ by: 'operator', removed: true, site, stranded }, revision).catch(async (error) => {
        sites.set(name, site);
        await hosts.declare(site);
        throw error;
      });
      strand(record);
      await publishRemoved(name, record.atMs);
      log.warn({ site: name }, 'site removed');
    },

    strandedAt: (vm) => [...gone.values()].find(({ stranded }) => stranded?.includes(vm))?.site.site,

    async forget(vm) {
      for (const [name, { record, revision }] of await records.all()) {
        if (!record?.stranded?.includes(vm)) continue;
        const left = { ...record, stranded: record.stranded.filter((other) => other !== vm) };
        await records.put(left, revision);
        if (gone.has(name)) gone.set(name, left);
      }
    },

    async onRecord() {
      return [...(await records.all()).values()].flatMap(({ record }) => (record === undefined ? [] : [record]));
    },
  };
}

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
