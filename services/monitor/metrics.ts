/**
 * Every metric of the monitor: the name with its unit, and the meaning, next to each other. Others that a process has to
 * tell are read through callbacks (`Monitor.gauge`, `Monitor.counter`). No label ever holds a user or a position.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Lag } from '#shared/bus/bus.ts';

/** The sources of the metrics that are read at each scrape. */
export interface Read {
  readonly lag: () => readonly Lag[];
  readonly inProgress: () => number;
  readonly flapping: () => number;
  readonly refused: () => number;
  /** Events that will be seen. */
  readonly types: readonly string[];
}

/** The ways in which a move can be worse than planned (`Figures` in shared/events/types.ts): shown as 0 before it happens, for `increase()`. */
const DEGRADED = [
  'single-path',
  'forced-stop',
  'release-incomplete',
  'plain-tcp',
  'retargeted',
  'post-copy',
  'clients-unjoined',
  'vm-died',
] as const;
const OUTCOMES = ['completed', 'failed', 'cancelled'] as const;

/** Makes the metrics in a registry of their own, so that two monitors of one process do not meet. */
export function createMetrics(registry: Registry, read: Read) {
  const registers = [registry];
  const metrics = {
    pause: new Histogram({
      name: 'tagalong_migration_pause_seconds',
      help: 'VM stopped at the source until it runs at the destination; failed and cancelled moves only where it stopped.',
      labelNames: ['outcome'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30],
      registers,
    }),
    interruption: new Histogram({
      name: 'tagalong_migration_interruption_seconds',
      help: 'The longest gap in a client’s traffic around a move; failed and cancelled moves only where there was one.',
      labelNames: ['outcome'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30],
      registers,
    }),
    hypervisorDowntime: new Histogram({
      name: 'tagalong_migration_hypervisor_downtime_seconds',
      help: 'What the hypervisor itself calls downtime, where it does; too small, it ends before the VM runs again.',
      labelNames: ['outcome'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10],
      registers,
    }),
    clientGap: new Histogram({
      name: 'tagalong_client_gap_seconds',
      help: 'Gaps in their traffic that clients reported, with a move under way or without.',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30],
      registers,
    }),
    clientResets: new Counter({
      name: 'tagalong_client_resets_total',
      help: 'Connections that clients reported as lost, with a move under way or without.',
      registers,
    }),
    duration: new Histogram({
      name: 'tagalong_migration_duration_seconds',
      help: 'A migration from its beginning to its end, whatever the end was.',
      labelNames: ['outcome'],
      buckets: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600],
      registers,
    }),
    phase: new Histogram({
      name: 'tagalong_migration_phase_duration_seconds',
      help: 'How long a phase of a migration took, undoing included, whatever the end was.',
      labelNames: ['phase'],
      buckets: [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1200],
      registers,
    }),
    predictionError: new Histogram({
      name: 'tagalong_migration_prediction_error_ratio',
      help: 'Measured ÷ predicted, of completed migrations; 1 is a perfect prediction.',
      labelNames: ['measure'],
      buckets: [0.25, 0.5, 0.67, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.5, 2, 4],
      registers,
    }),
    migrations: new Counter({
      name: 'tagalong_migrations_total',
      help: 'Ended migrations; the reason is the error code of a failed one, and who cancelled a cancelled one.',
      labelNames: ['outcome', 'reason'],
      registers,
    }),
    degraded: new Counter({
      name: 'tagalong_migration_degraded_total',
      help: 'What was worse than planned in migrations: one path only, a forced stop, plain TCP, an incomplete release.',
      labelNames: ['kind'],
      registers,
    }),
    bytes: new Counter({
      name: 'tagalong_migration_bytes_total',
      help: 'Bytes that migrations sent between sites, those of failed and cancelled ones included.',
      registers,
    }),
    inProgress: new Gauge({
      name: 'tagalong_migrations_in_progress',
      help: 'Migrations that were accepted and have not ended.',
      registers,
      collect() {
        this.set(read.inProgress());
      },
    }),
    decisions: new Counter({
      name: 'tagalong_decisions_total',
      help: 'Decisions of the placement, by verdict, reason and who asked for them.',
      labelNames: ['verdict', 'reason', 'source'],
      registers,
    }),
    events: new Counter({
      name: 'tagalong_events_total',
      help: 'Events seen on the bus, each once, by type; location reports are counted where they are taken in.',
      labelNames: ['type'],
      registers,
    }),
    rejected: new Counter({
      name: 'tagalong_events_rejected_total',
      help: 'Events that went to the dead letters, by the error code.',
      labelNames: ['code'],
      registers,
    }),
    refused: new Counter({
      name: 'tagalong_monitor_migration_events_refused_total',
      help: 'Events of migrations that were not counted because placement did not order them so: look for a foreign publisher on the bus.',
      registers,
      collect() {
        this.reset();
        this.inc(read.refused());
      },
    }),
    eventLag: new Histogram({
      name: 'tagalong_event_lag_seconds',
      help: 'From the moment an event happened until the monitor had it.',
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
      registers,
    }),
    busLag: new Gauge({
      name: 'tagalong_bus_lag_events',
      help: 'Events that wait to be handled, by consumer group and partition.',
      labelNames: ['group', 'partition'],
      registers,
      collect() {
        this.reset();
        for (const { group, partition, events } of read.lag()) this.set({ group, partition }, events);
      },
    }),
    returns: new Counter({
      name: 'tagalong_migration_returns_total',
      help: 'Completed migrations that led back to a site which the VM had left within the hour before.',
      registers,
    }),
    flapping: new Gauge({
      name: 'tagalong_vms_flapping',
      help: 'VMs that came back twice or more within the last hour; the log of the monitor names them.',
      registers,
      collect() {
        this.set(read.flapping());
      },
    }),
    siteReported: new Gauge({
      name: 'tagalong_site_last_report_timestamp_seconds',
      help: 'When a site was last heard of, since the epoch; the start of the monitor where it has not been since.',
      labelNames: ['site'],
      registers,
    }),
    siteSlots: new Gauge({
      name: 'tagalong_site_slots',
      help: 'VMs that a site can run, as its latest heartbeat says.',
      labelNames: ['site'],
      registers,
    }),
    siteVms: new Gauge({
      name: 'tagalong_site_vms',
      help: 'VMs that run at a site, as its latest heartbeat says.',
      labelNames: ['site'],
      registers,
    }),
    siteDraining: new Gauge({
      name: 'tagalong_site_draining',
      help: '1 where a site is being emptied, else 0.',
      labelNames: ['site'],
      registers,
    }),
  };
  const { siteReported, siteSlots, siteVms, siteDraining } = metrics;
  for (const kind of DEGRADED) metrics.degraded.inc({ kind }, 0);
  for (const outcome of OUTCOMES) metrics.duration.zero({ outcome });
  for (const type of read.types) metrics.events.inc({ type }, 0);
  metrics.pause.zero({ outcome: 'completed' });
  metrics.interruption.zero({ outcome: 'completed' });
  return { ...metrics, ofSite: [siteReported, siteSlots, siteVms, siteDraining] };
}
