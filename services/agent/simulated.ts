/**
 * Stands in for the site agents where the hypervisor is simulated: says what each site has and runs, again and again,
 * and starts VMs where they are declared.
 */
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import { alarm } from '#shared/clock/alarm.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { SiteConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Event, envelop } from '#shared/events/index.ts';
import type { SimulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import type { HttpSurface } from '../http.ts';

export interface SimulatedAgents {
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
  readonly hypervisor: SimulatedHypervisor;
  readonly sites: readonly SiteConfig[];
  readonly heartbeatMs: number;
  readonly log: Log;
}

export function simulatedAgents({
  bus,
  clock,
  hypervisor,
  sites,
  heartbeatMs,
  log: parent,
}: AgentsOptions): SimulatedAgents {
  const log = serviceLog(parent, 'agent');
  const draining = new Map(sites.map((site) => [site.site, site.draining]));
  const subscriptions: Subscription[] = [];
  let beats = 0;

  const report = ({ site, lat, lon, slots, uplinks }: SiteConfig): Event => {
    const atMs = Math.round(clock.now());
    const data = {
      site,
      atMs,
      lat,
      lon,
      slots,
      vms: hypervisor.vmsAt(site),
      draining: draining.get(site)!,
      uplinks: uplinks.map((uplink) => ({ ...uplink })),
    };
    return envelop({ type: 'site.reported.v1', data }, `site:${site}:${atMs}:${beats++}`, '/tagalong/agent');
  };
  const beat = async () => {
    next(clock.now() + heartbeatMs);
    await bus.publish(sites.map(report));
  };
  const next = alarm(clock, () => void beat().catch((err) => log.error({ err }, 'a heartbeat was not published')));

  const drain = async (name: string, on: boolean) => {
    const site = sites.find((other) => other.site === name);
    if (site === undefined) {
      throw new TagalongError('SITE_UNKNOWN', `no site "${name}"; there are ${sites.map((s) => s.site).join(', ')}`);
    }
    draining.set(name, on);
    log.info({ site: name, draining: on }, 'draining set');
    await bus.publish([report(site)]);
  };

  return {
    async start() {
      for (const site of sites) hypervisor.declareSite({ ...site, uplinks: site.uplinks.map((u) => ({ ...u })) });
      subscriptions.push(
        await bus.subscribe({ group: 'agent', types: ['vm.declared.v1', 'vm.retired.v1'] }, async (batch) => {
          for (const { event } of batch) {
            // Where it runs is the hypervisor's to know: a repeated declaration starts no second one.
            if (event.type === 'vm.declared.v1' && hypervisor.running(event.data.vm).length === 0) {
              hypervisor.place(event.data.vm, event.data.home);
            }
            if (event.type === 'vm.retired.v1') hypervisor.remove(event.data.vm);
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
