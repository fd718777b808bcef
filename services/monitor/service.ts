/** Monitor: counts the events on the bus, and publishes the counts as metrics for Prometheus. */
import { AUDIT_TYPE } from '#shared/bus/audited.ts';
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import { originalId } from '#shared/bus/dead-letter.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { EVENT_TYPES } from '#shared/events/index.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { RecentSet } from '#shared/recent.ts';
import type { Store } from '#shared/store/store.ts';
import { createExposition, type Exposition } from '../runtime/exposition.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { moveCheck } from '../runtime/move-check.ts';
import type { KnownSites } from '../sites/known.ts';
import { createMetrics } from './metrics.ts';
import { Observer } from './observer.ts';

/** The running monitor. */
export interface Monitor extends Exposition {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Adds `GET /metrics`. */
  registerHttp(surface: HttpSurface): void;
}

const GROUP = 'monitor';
/** Locations are most of the traffic. Ingest and placement count them, so the monitor does not receive them. No group receives the audit. */
const TYPES = EVENT_TYPES.filter((type) => type !== 'location.reported.v1' && type !== AUDIT_TYPE);
/** A repeated event arrives before this many other events. */
const REMEMBERED_IDS = 50_000;

/** The parts that the monitor uses. */
export interface MonitorOptions {
  readonly bus: Bus;
  /** Has the migrator's records. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** The number of partitions of the bus. */
  readonly partitions: number;
  /** The sites that should send heartbeats. The monitor asks for them at its start, so it also shows a site that never sends one. @default none */
  readonly sites?: Pick<KnownSites, 'names'>;
}

/** Makes a monitor. It counts from `start` on. While it does not run, the bus keeps the offset of its group. */
export function createMonitor(options: MonitorOptions): Monitor {
  const { bus, store, clock } = options;
  const log = serviceLog(options.log, 'monitor');
  const exposition = createExposition();
  const check = moveCheck({ store, clock, log, partitions: options.partitions });
  // The bus removes most repeats, this set removes all: a total that counts an event twice would stay wrong.
  const seen = new RecentSet(REMEMBERED_IDS);
  const observer = new Observer({ clock, log, check }, (read) =>
    createMetrics(exposition.registry, { ...read, lag: () => bus.lag(), refused: () => check.refused, types: TYPES }),
  );
  let subscription: Subscription | undefined;

  return {
    ...exposition,
    async start() {
      for (const site of (await options.sites?.names()) ?? []) observer.expect(site);
      subscription = await bus.subscribe({ group: GROUP, types: TYPES }, async (batch) => {
        for (const { event } of batch) {
          if (!seen.add(originalId(event.id))) continue;
          observer.received(event);
          const admitted = check.admits(event);
          if (typeof admitted === 'boolean' ? admitted : await admitted) observer.observe(event);
        }
      });
    },
    async stop() {
      await subscription?.stop();
      subscription = undefined;
    },
    registerHttp(surface) {
      surface.health('monitor', () => subscription !== undefined || 'not subscribed to the bus');
      exposition.registerMetrics(surface);
    },
  };
}
