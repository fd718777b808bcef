/** Turns the events that the monitor receives into metrics. */
import type { Clock } from '#shared/clock/clock.ts';
import type { Data, Event, Figures, Prediction } from '#shared/events/index.ts';
import { notAhead } from '#shared/events/not-ahead.ts';
import type { Log } from '#shared/log.ts';
import { type EndFact, endOf } from '#shared/migration/outcome.ts';
import type { MoveCheck } from '../runtime/move-check.ts';
import { flapping } from './flapping.ts';
import { fewValues } from './labels.ts';
import type { createMetrics } from './metrics.ts';

/** Counts events. Each event must come once, and only if it may be believed. */
export class Observer {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #check: MoveCheck;
  readonly #metrics: ReturnType<typeof createMetrics>;
  /** The migration of each moving VM. A VM has one migration at a time, so a lost end counts until the VM's next migration at most. */
  readonly #underWay = new Map<string, string>();
  readonly #roaming = flapping();
  readonly #fewReasons = fewValues();
  readonly #fewCodes = fewValues();
  readonly #fewKinds = fewValues();

  /** @param metrics makes the metrics. Some of them read from this observer */
  constructor(
    { clock, log, check }: { readonly clock: Clock; readonly log: Log; readonly check: MoveCheck },
    metrics: (read: { inProgress: () => number; flapping: () => number }) => ReturnType<typeof createMetrics>,
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#check = check;
    this.#metrics = metrics({
      inProgress: () => this.#underWay.size,
      flapping: () => this.#roaming.count(clock.now()),
    });
  }

  /** A site that should send heartbeats is shown even if it never sends one. */
  expect(site: string): void {
    this.#metrics.siteReported.set({ site }, this.#clock.now() / 1000);
  }

  /** Counts an event as received, whether or not it is believed. */
  received({ type }: Event): void {
    this.#metrics.events.inc({ type });
  }

  /** Counts what an event tells. */
  observe(received: Event) {
    const metrics = this.#metrics;
    const nowMs = Math.round(this.#clock.now());
    metrics.eventLag.observe(Math.max(0, nowMs - received.data.atMs) / 1000);
    const event = notAhead(received, nowMs);
    switch (event.type) {
      case 'site.reported.v1':
        return this.#siteReported(event.data);
      case 'site.removed.v1': {
        const { site } = event.data;
        for (const gauge of metrics.ofSite) gauge.remove({ site });
        return;
      }
      case 'placement.decided.v1': {
        const { verdict, reason, source } = event.data;
        metrics.decisions.inc({ verdict, reason: this.#fewReasons(reason), source });
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
        this.#underWay.set(event.data.vm, event.data.migration);
        return;
      case 'migration.completed.v1':
        this.#compare(this.#check.orderOf(event.data.migration)?.prediction, event.data.figures);
        this.#roam(event.data);
        return this.#ended(event, 'none');
      case 'migration.failed.v1': {
        const { migration, vm, code, reason, phase } = event.data;
        this.#log.warn({ migration, vm, code, reason, phase }, 'a migration failed');
        return this.#ended(event, this.#fewCodes(code));
      }
      case 'migration.cancelled.v1':
        return this.#ended(event, this.#fewReasons(event.data.by));
      case 'event.rejected.v1':
        this.#log.warn({ vm: event.data.vm, code: event.data.code }, 'an event went to the dead letters');
        metrics.rejected.inc({ code: this.#fewCodes(event.data.code) });
    }
  }

  #siteReported({ site, atMs, slots, vms, draining }: Data<'site.reported.v1'>): void {
    this.#metrics.siteReported.set({ site }, atMs / 1000);
    this.#metrics.siteSlots.set({ site }, slots);
    this.#metrics.siteVms.set({ site }, vms.length);
    this.#metrics.siteDraining.set({ site }, draining ? 1 : 0);
  }

  #compare(predicted: Prediction | undefined, measured: Figures): void {
    if (predicted === undefined) return;
    for (const [measure, actualMs, expectedMs] of [
      ['duration', measured.durationMs, predicted.durationMs],
      ['interruption', measured.interruptionMs, predicted.interruptionMs],
    ] as const) {
      if (expectedMs > 0) this.#metrics.predictionError.observe({ measure }, actualMs / expectedMs);
    }
  }

  #roam({ vm, from, to, atMs }: Data<'migration.completed.v1'>): void {
    if (!this.#roaming.moved(vm, from, to, atMs)) return;
    this.#metrics.returns.inc();
    this.#log.info({ vm, from, to }, 'a VM went back to a site that it had left within the hour');
  }

  #ended(event: EndFact, reason: string): void {
    const metrics = this.#metrics;
    const { migration, vm, figures } = event.data;
    const { outcome } = endOf(event);
    if (this.#underWay.get(vm) === migration) this.#underWay.delete(vm);
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
    for (const kind of figures.degraded) metrics.degraded.inc({ kind: this.#fewKinds(kind) });
  }
}
