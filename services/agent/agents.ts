/**
 * Speaks for the sites: says what each has and runs, again and again, and has VMs started where they are declared. What
 * runs them is behind {@link Hosts}.
 */
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import { alarm } from '#shared/clock/alarm.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { SiteConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import type { VmSpec } from '#shared/events/index.ts';
import { type Event, envelop } from '#shared/events/index.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { HttpSurface } from '../http.ts';

/** The hosts of all sites. */
export interface Hosts {
  /** The VMs that are at home at a site; undefined where nobody there answers. */
  vmsAt(site: string): readonly string[] | undefined | Promise<readonly string[] | undefined>;
  /** Has a VM run at a site. One that runs somewhere already, or whose site cannot be asked, is left as it is. */
  place(vm: string, site: string, spec: VmSpec): void | Promise<void>;
  /** A VM is no more, wherever it was. */
  remove(vm: string): void | Promise<void>;
}

export interface SiteAgents {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Sets whether VMs are to leave a site; said at once. @throws TagalongError SITE_UNKNOWN */
  drain(site: string, draining: boolean): Promise<void>;
  /** `POST /v1/sites/:site/drain` with `{"draining": true}`. */
  registerHttp(surface: HttpSurface): void;
}

export interface AgentsOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly hosts: Hosts;
  readonly sites: readonly SiteConfig[];
  readonly heartbeatMs: number;
  readonly log: Log;
}

export function siteAgents({ bus, clock, hosts, sites, heartbeatMs, log: parent }: AgentsOptions): SiteAgents {
  const log = serviceLog(parent, 'agent');
  const draining = new Map(sites.map((site) => [site.site, site.draining]));
  const subscriptions: Subscription[] = [];
  let beats = 0;

  /** The heartbeat of a site; none where nobody there answers. */
  const report = async ({ site, lat, lon, slots, uplinks }: SiteConfig): Promise<Event[]> => {
    const vms = await hosts.vmsAt(site);
    if (vms === undefined) return [];
    const atMs = Math.round(clock.now());
    const data = {
      site,
      atMs,
      lat,
      lon,
      slots,
      vms: [...vms],
      draining: draining.get(site)!,
      uplinks: uplinks.map((uplink) => ({ ...uplink })),
    };
    return [envelop({ type: 'site.reported.v1', data }, `site:${site}:${atMs}:${beats++}`, '/tagalong/agent')];
  };
  const beat = async () => {
    next(clock.now() + heartbeatMs);
    // Each for itself: a site that answers late does not hold up the others.
    await Promise.all(sites.map(async (site) => bus.publish(await report(site))));
  };
  const next = alarm(clock, () => void beat().catch((err) => log.error({ err }, 'a heartbeat was not published')));

  const drain = async (name: string, on: boolean) => {
    const site = sites.find((other) => other.site === name);
    if (site === undefined) {
      throw new TagalongError('SITE_UNKNOWN', `no site "${name}"; there are ${sites.map((s) => s.site).join(', ')}`);
    }
    draining.set(name, on);
    log.info({ site: name, draining: on }, 'draining set');
    await bus.publish(await report(site));
  };

  return {
    async start() {
      subscriptions.push(
        await bus.subscribe({ group: 'agent', types: ['vm.declared.v1', 'vm.retired.v1'] }, async (batch) => {
          for (const { event } of batch) {
            if (event.type === 'vm.declared.v1') await hosts.place(event.data.vm, event.data.home, event.data.spec);
            if (event.type === 'vm.retired.v1') await hosts.remove(event.data.vm);
          }
        }),
      );
      await beat();
    },
    async stop() {
      next(undefined);
      await Promise.all(subscriptions.splice(0).map((subscription) => subscription.stop()));
    },
    drain,
    registerHttp({ app, health }) {
      health('agent', () => true);
      app.post<{ Params: { site: string }; Body: unknown }>(
        '/v1/sites/:site/drain',
        async ({ params, body }, reply) => {
          const on = (body as { draining?: unknown } | null)?.draining;
          if (typeof on !== 'boolean') throw new TagalongError('EVENT_INVALID', 'draining: must be true or false');
          await drain(params.site, on);
          return reply.code(202).send({ site: params.site, draining: on });
        },
      );
    },
  };
}
