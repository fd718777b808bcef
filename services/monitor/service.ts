/** Monitor: counts the events on the bus, and publishes the counts as metrics for Prometheus. */
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import { originalId } from '#shared/bus/dead-letter.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { type Data, EVENT_TYPES, type Event, type Figures, type Prediction } from '#shared/events/index.ts';
import { notAhead } from '#shared/events/not-ahead.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { type EndFact, endOf } from '#shared/migration/outcome.ts';
import { RecentSet } from '#shared/recent.ts';
import type { Store } from '#shared/store/store.ts';
import { createExposition, type Exposition } from '../runtime/exposition.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { moveCheck } from '../runtime/move-check.ts';
import type { KnownSites } from '../sites/known.ts';
import { flapping } from './flapping.ts';
import { fewValues } from './labels.ts';
import { createMetrics } from './metrics.ts';

/** The running monitor. */
export interface Monitor extends Exposition {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Adds `GET /metrics`. */
  registerHttp(surface: HttpSurface): void;
}

const GROUP = 'monitor';
/** Locations are most of the traffic. Ingest and placement count them, so the monitor does not receive them. */
const TYPES = EVENT_TYPES.filter((type) => type !== 'location.reported.v1');
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
  /** The migration of each moving VM. A VM has one migration at a time, so a lost end counts until the VM's next migration at most. */
  const underWay = new Map<string, string>();
  // The bus removes most repeats, this set removes all: a total that counts an event twice would stay wrong.
  const seen = new RecentSet(REMEMBERED_IDS);
  const roaming = flapping();
  const metrics = createMetrics(exposition.registry, {
    lag: () => bus.lag(),
    inProgress: () => underWay.size,
    flapping: () => roaming.count(clock.now()),
    refused: () => check.refused,
    types: TYPES,
  });
  const fewReasons = fewValues();
  const fewCodes = fewValues();
  const fewKinds = fewValues();
  let subscription: Subscription | undefined;

  const observe = (received: Event) => {
    const nowMs = Math.round(clock.now());
    metrics.eventLag.observe(Math.max(0, nowMs - received.data.atMs) / 1000);
    const event = notAhead(received, nowMs);
    switch (event.type) {
      case 'site.reported.v1': {
        const { site, atMs, slots, vms, draining } = event.data;
        metrics.siteReported.set({ site }, atMs / 1000);
        metrics.siteSlots.set({ site }, slots);
        metrics.siteVms.set({ site }, vms.length);
        metrics.siteDraining.set({ site }, draining ? 1 : 0);
        return;
      }
      case 'site.removed.v1': {
        const { site } = event.data;
        for (const gauge of metrics.ofSite) gauge.remove({ site });
        return;
      }
      case 'placement.decided.v1': {
        const { verdict, reason, source } = event.data;
        metrics.decisions.inc({ verdict, reason: fewReasons(reason), source });
        return;
      }
      case 'interruption.reported.v1': {
        const { gapMs, resets } = event.data;
        if (gapMs > 0) metrics.clientGap.observe(gapMs / 1000);
        metrics.clientResets.inc(resets);
        return;
      }
      case 'migration.accepted.v1':
      case 'migration.started.v1':
      case 'migration.progressed.v1':
      case 'migration.switched.v1':
        underWay.set(event.data.vm, event.data.migration);
        return;
      case 'migration.completed.v1':
        compare(check.orderOf(event.data.migration)?.prediction, event.data.figures);
        roam(event.data);
        return end(event, 'none');
      case 'migration.failed.v1': {
        const { migration, vm, code, reason, phase } = event.data;
        log.warn({ migration, vm, code, reason, phase }, 'a migration failed');
        return end(event, fewCodes(code));
      }
      case 'migration.cancelled.v1':
        return end(event, fewReasons(event.data.by));
      case 'event.rejected.v1':
        log.warn({ vm: event.data.vm, code: event.data.code }, 'an event went to the dead letters');
        metrics.rejected.inc({ code: fewCodes(event.data.code) });
    }
  };

  const compare = (predicted: Prediction | undefined, measured: Figures) => {
    if (predicted === undefined) return;
    for (const [measure, actualMs, expectedMs] of [
      ['duration', measured.durationMs, predicted.durationMs],
      ['interruption', measured.interruptionMs, predicted.interruptionMs],
    ] as const) {
      if (expectedMs > 0) metrics.predictionError.observe({ measure }, actualMs / expectedMs);
    }
  };
  const roam = ({ vm, from, to, atMs }: Data<'migration.completed.v1'>) => {
    if (!roaming.moved(vm, from, to, atMs)) return;
    metrics.returns.inc();
    log.info({ vm, from, to }, 'a VM went back to a site that it had left within the hour');
  };
  const end = (event: EndFact, reason: string) => {
    const { migration, vm, figures } = event.data;
    const { outcome } = endOf(event);
    if (underWay.get(vm) === migration) underWay.delete(vm);
    metrics.migrations.inc({ outcome, reason });
    metrics.duration.observe({ outcome }, figures.durationMs / 1000);
    const completed = outcome === 'completed';
    if (completed || figures.pauseMs > 0) metrics.pause.observe({ outcome }, figures.pauseMs / 1000);
    if (completed || figures.interruptionMs > 0) {
      metrics.interruption.observe({ outcome }, figures.interruptionMs / 1000);
    }
    const { hypervisorDowntimeMs } = figures;
    if (hypervisorDowntimeMs !== undefined) {
      metrics.hypervisorDowntime.observe({ outcome }, hypervisorDowntimeMs / 1000);
    }
    for (const [phase, ms] of Object.entries(figures.phaseMs ?? {})) metrics.phase.observe({ phase }, ms / 1000);
    metrics.bytes.inc(figures.bytes);
    for (const kind of figures.degraded) metrics.degraded.inc({ kind: fewKinds(kind) });
  };

  return {
    ...exposition,
    async start() {
      for (const site of (await options.sites?.names()) ?? []) metrics.siteReported.set({ site }, clock.now() / 1000);
      subscription = await bus.subscribe({ group: GROUP, types: TYPES }, async (batch) => {
        for (const { event } of batch) {
          if (!seen.add(originalId(event.id))) continue;
          metrics.events.inc({ type: event.type });
          const admitted = check.admits(event);
          if (typeof admitted === 'boolean' ? admitted : await admitted) observe(event);
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
