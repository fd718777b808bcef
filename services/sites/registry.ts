/**
 * Which sites there are, as the one process has it that speaks for them. The configuration's sites are the base; what an operator
 * said of a site over HTTP stands above it, after restarts too, until it is said anew: a site that was declared counts as it was
 * declared, one that was removed stays away.
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

export interface SiteRegistry {
  /** The sites that are there. Those of the configuration until `open`. */
  list(): readonly SiteConfig[];
  /**
   * Takes duty: the configuration is declared, what was said over HTTP is put above it, and the hosts are told. Differences are
   * one log line each.
   */
  open(): Promise<void>;
  /** Says which sites are no more, and notes which VMs were there; once the hosts are at work. */
  announce(): Promise<void>;
  /**
   * Declares a site, or what is new of it.
   * @returns what an operator should know of it, a line each
   * @throws TagalongError STORE_CONFLICT
   */
  declare(site: SiteConfig): Promise<readonly string[]>;
  /**
   * Takes a site out. VMs that are there are stranded.
   * @throws TagalongError SITE_UNKNOWN, or SITE_IN_USE where it has VMs and `force` is not given, or moves lead there or away
   */
  remove(site: string, force: boolean): Promise<void>;
  /** The removed site where a VM was last; undefined: it is at none. Such a VM must not be started elsewhere: it may run there. */
  strandedAt(vm: string): string | undefined;
  /** A VM is retired, wherever it was. */
  forget(vm: string): Promise<void>;
  /** What is on record: by any process, also where it is not on duty. */
  onRecord(): Promise<readonly SiteRecord[]>;
}

export interface SiteRegistryOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly hosts: Hosts;
  readonly config: Pick<Config, 'sites'>;
  readonly log: Log;
  /** Where records go that cannot be read. */
  readonly setAside?: SetAside;
  /** The moves under way. */
  readonly moves: () => readonly { readonly migration: string; readonly from: string; readonly to: string }[];
}

export function siteRegistry(options: SiteRegistryOptions): SiteRegistry {
  const { bus, store, clock, hosts, config, moves } = options;
  const log = serviceLog(options.log, 'agent');
  const records = new SiteRecords(store, options.setAside);
  let sites = new Map(config.sites.map((site) => [site.site, site]));
  const nowMs = () => Math.round(clock.now());

  /** The same event however often it is said: who missed it hears it from whoever takes duty next. */
  const sayRemoved = (site: string, atMs: number) =>
    bus.publish([
      envelop({ type: 'site.removed.v1', data: { site, atMs } }, `site-removed:${site}:${atMs}`, '/tagalong/agent'),
    ]);
  const write = async (part: Omit<SiteRecord, 'atMs'>, revision: number) => {
    const record: SiteRecord = { atMs: nowMs(), ...part };
    await records.put(record, revision);
    return record;
  };
  /** Removed sites by name, and the VMs that are stranded there. */
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
          sayDifference(log, site, record);
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
          log.info({ site }, 'a site was declared by an operator and is not in the configuration; it counts');
          next.set(site, record.site);
        } else {
          log.warn({ site }, 'a site is in the configuration no more and is removed');
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
        await sayRemoved(name, record.atMs);
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
        throw new TagalongError('SITE_IN_USE', `${name}: moves lead there or away (${which}); cancel them, or wait`);
      }
      const vms = await hosts.vmsAt(name);
      if (!force) refuseVms(name, vms);
      const { revision } = await records.get(name);
      sites.delete(name);
      await hosts.withdraw(site);
      // Asked once more: of a site that does not answer, or no longer, what is on record counts.
      const stranded = (await hosts.vmsAt(name)) ?? vms ?? [];
      const record = await write({ by: 'operator', removed: true, site, stranded }, revision).catch(async (error) => {
        sites.set(name, site);
        await hosts.declare(site);
        throw error;
      });
      strand(record);
      await sayRemoved(name, record.atMs);
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
  'VMs are stranded at a site that was removed; declare the site again, or, where they are no more, retire them (DELETE /v1/vms/NAME)';

function refuseVms(site: string, vms: readonly string[] | undefined): void {
  if (vms?.length === 0) return;
  const what = vms === undefined ? 'nobody answers there, so it may have VMs' : `it has ${vms.length} VMs`;
  const next = `drain it first (npx tagalong drain ${site}), or remove it with --force, which strands them`;
  throw new TagalongError('SITE_IN_USE', `${site}: ${what}; ${next}`);
}

/** @param record what an operator said */
function sayDifference(log: Log, site: SiteConfig, record: SiteRecord): void {
  const name = site.site;
  const since = new Date(record.atMs).toISOString();
  const mend = `npx tagalong site declare ${name} --config FILE takes the configuration's`;
  if (record.removed) {
    log.warn({ site: name, since }, `a site of the configuration was removed by an operator and stays away; ${mend}`);
    return;
  }
  const keys = [...new Set([...Object.keys(site), ...Object.keys(record.site)])] as (keyof SiteConfig)[];
  const differs = keys.filter((key) => !isDeepStrictEqual(site[key], record.site[key]));
  if (differs.length === 0) return;
  log.warn(
    { site: name, since, differs },
    `what an operator declared of a site counts, not the configuration; ${mend}`,
  );
}
