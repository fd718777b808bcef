/**
 * Publishes the heartbeats of the sites (`site.reported.v1`). Starts declared VMs and removes retired VMs through {@link Hosts}. Only
 * the leading migrator does this. Any migrator accepts and stores the order to drain a site.
 */
import { randomUUID } from 'node:crypto';
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import { alarm } from '#shared/clock/alarm.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { unknownSite } from '#shared/config/nearest.ts';
import type { SiteConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Data, type Event, envelop } from '#shared/events/index.ts';
import type { Hosts } from '#shared/hypervisor/hosts.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { getRecord, isUnreadable, updateRecord } from '#shared/store/update.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { DRAIN_RECORD, drainKey } from './place-records.ts';
import type { SiteRegistry } from './registry.ts';

/** Heartbeats and draining of all sites. */
export interface SiteReporter {
  start(): Promise<void>;
  stop(): Promise<void>;
  /**
   * Sets whether VMs have to leave a site. The leader publishes it at once; if this process is not the leader, the leader publishes
   * it with its next heartbeat.
   * @param force true: drain even the last site that is open
   * @param by who orders it
   * @throws TagalongError SITE_UNKNOWN, LAST_OPEN_SITE, STORE_RECORD_UNREADABLE
   */
  drain(site: string, draining: boolean, force?: boolean, by?: string): Promise<void>;
  /** True if VMs have to leave a site: by the last order of an operator, else by its declaration. Any process may ask. */
  isDraining(site: SiteConfig): Promise<boolean>;
  /** Adds its health. The routes of the sites are in `http.ts`. */
  registerHttp(surface: HttpSurface): void;
  /** Publishes a heartbeat of all sites now, in addition to the regular ones. */
  beat(): Promise<void>;
}

/** The dependencies of the reports. */
export interface SiteReporterOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly hosts: Hosts;
  readonly sites: SiteRegistry;
  readonly heartbeatMs: number;
  readonly log: Log;
  /** Receives records that cannot be read. @default a list of its own */
  readonly setAside?: SetAside;
}

/** Creates them. Owns the records `agent/site/<site>` and the bus group `agent`. */
export function siteReporter(options: SiteReporterOptions): SiteReporter {
  return new Heartbeats(options);
}

class Heartbeats implements SiteReporter {
  readonly #options: SiteReporterOptions;
  readonly #log: Log;
  readonly #setAside: SetAside;
  readonly #next: (atMs: number | undefined) => void;
  #subscription: Subscription | undefined;
  // Heartbeats of two processes must have different ids, even at one instant.
  readonly #beginning = randomUUID().slice(0, 8);
  #beats = 0;

  constructor(options: SiteReporterOptions) {
    const { clock } = options;
    this.#options = options;
    this.#log = serviceLog(options.log, 'agent');
    this.#setAside = options.setAside ?? new SetAside({ log: this.#log, clock });
    const trouble = repeatedFault(this.#log, 'a heartbeat was not published');
    this.#next = alarm(clock, () => void this.beat().then(trouble.succeeded, trouble.failed));
  }

  async start(): Promise<void> {
    const { bus, hosts, sites } = this.#options;
    this.#subscription ??= await bus.subscribe(
      { group: 'agent', types: ['vm.declared.v1', 'vm.retired.v1'], exclusive: true },
      async (batch) => {
        for (const { event } of batch) {
          if (event.type === 'vm.declared.v1') await this.#place(event.data);
          if (event.type === 'vm.retired.v1') {
            await hosts.remove(event.data.vm);
            await sites.forget(event.data.vm);
          }
        }
      },
    );
    await this.beat();
  }

  async stop(): Promise<void> {
    this.#next(undefined);
    await this.#subscription?.stop();
    this.#subscription = undefined;
  }

  async beat(): Promise<void> {
    const { bus, clock, sites, heartbeatMs } = this.#options;
    this.#next(clock.now() + heartbeatMs);
    // Each site by itself: one that answers late does not delay the others.
    await Promise.all(sites.list().map(async (site) => bus.publish(await this.#report(site))));
  }

  async drain(name: string, on: boolean, force = false, by?: string): Promise<void> {
    const { bus, store, sites } = this.#options;
    const site = sites.list().find((other) => other.site === name);
    if (site === undefined) throw new TagalongError('SITE_UNKNOWN', unknownSite(name, this.#names()));
    const others = sites.list().filter((other) => other !== site);
    const begins = on && !force && !(await this.isDraining(site));
    if (begins && !(await Promise.all(others.map((other) => this.#takesVms(other)))).includes(true)) {
      throw new TagalongError(
        'LAST_OPEN_SITE',
        `${name} is the last open site, so its VMs have nowhere to go; end the drain of another site, or force this one with "force": true (--force)`,
      );
    }
    await updateRecord(store, DRAIN_RECORD, drainKey(name), () => ({
      value: { draining: on, ...(by !== undefined && { by }) },
    }));
    this.#log.info({ site: name, draining: on, by }, 'draining set');
    if (this.#subscription !== undefined) await bus.publish(await this.#report(site));
  }

  async isDraining(site: SiteConfig): Promise<boolean> {
    return (await this.#drainOf(site)).draining;
  }

  /** The drain of a site, and the name of its orderer. */
  async #drainOf({ site, draining }: SiteConfig): Promise<{ readonly draining: boolean; readonly by?: string }> {
    return (await this.#stored(site)) ?? { draining };
  }

  registerHttp({ health }: HttpSurface): void {
    health('agent', () => true);
  }

  /** The operator's record of a site; undefined: missing or unreadable. */
  async #stored(site: string) {
    const key = drainKey(site);
    try {
      const kept = await getRecord(this.#options.store, DRAIN_RECORD, key);
      this.#setAside.release(key);
      return kept?.value;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#setAside.add(DRAIN_RECORD, key, error);
      return undefined;
    }
  }

  /** True: the site can receive VMs that leave another site. */
  async #takesVms(config: SiteConfig): Promise<boolean> {
    const [vms, draining] = await Promise.all([this.#options.hosts.vmsAt(config.site), this.isDraining(config)]);
    return vms !== undefined && vms.length < config.slots && !draining;
  }

  /** The heartbeat of a site; none where its agent does not answer. */
  async #report(config: SiteConfig): Promise<Event[]> {
    const { clock, hosts } = this.#options;
    const { site, lat, lon, slots, uplinks } = config;
    const [vms, { draining, by }] = await Promise.all([hosts.vmsAt(site), this.#drainOf(config)]);
    // A site that was removed while its heartbeat was prepared must not come back by it.
    if (vms === undefined || !this.#names().includes(site)) return [];
    const atMs = Math.round(clock.now());
    const data = {
      site,
      atMs,
      lat,
      lon,
      slots,
      vms: [...vms],
      draining,
      ...(draining && by !== undefined && { drainedBy: by }),
      uplinks: uplinks.map(({ provider, rateBps }) => ({ provider, rateBps })),
    };
    const id = `site:${site}:${atMs}:${this.#beginning}:${this.#beats++}`;
    return [envelop({ type: 'site.reported.v1', data }, id, '/tagalong/agent')];
  }

  async #place({ vm, home, spec }: Data<'vm.declared.v1'>): Promise<void> {
    const { hosts, sites } = this.#options;
    const site = sites.strandedAt(vm);
    if (site === undefined) await hosts.startVm(vm, home, spec);
    else
      this.#log.error(
        { vm, site },
        'a VM was declared anew that is stranded at a removed site, and may run there; not started',
      );
  }

  #names(): string[] {
    return this.#options.sites.list().map(({ site }) => site);
  }
}
