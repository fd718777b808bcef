/**
 * All metrics of the monitor, with names, units and meanings. Other services add theirs as callbacks (`Monitor.gauge`,
 * `Monitor.counter`). No label ever contains a user or a position.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Lag } from '#shared/bus/bus.ts';

/** The sources of the metrics that are read at each scrape. */
export interface Read {
  readonly lag: () => readonly Lag[];
  readonly inProgress: () => number;
  readonly flapping: () => number;
  /** Migration events that the monitor refused to count. */
  readonly refused: () => number;
  /** The event types that the monitor receives. */
  readonly types: readonly string[];
}

/** The ways in which a move can be worse than planned (`Figures` in shared/events/types.ts). Each starts at 0, as `increase()` requires. */
const DEGRADED = [
  'single-path',
  'forced-stop',
  'release-incomplete',
  'plain-tcp',
  'retargeted',
  'post-copy',
  'clients-unjoined',
  'vm-died',
  'implausible-figures',
] as const;
const OUTCOMES = ['completed', 'failed', 'cancelled'] as const;

/** Makes the metrics in the given registry. Each monitor has its own registry, so two monitors may run in one process. */
export function createMetrics(registry: Registry, read: Read) {
  const registers = [registry];
  const metrics = {
    ...interruptionMetrics(registers),
    ...durationMetrics(registers),
    ...outcomeMetrics(registers, read),
    ...eventMetrics(registers, read),
    ...returnMetrics(registers, read),
    ...siteMetrics(registers),
  };
  const { siteReported, siteSlots, siteVms, siteDraining } = metrics;
  for (const kind of DEGRADED) metrics.degraded.inc({ kind }, 0);
  for (const outcome of OUTCOMES) metrics.duration.zero({ outcome });
  for (const type of read.types) metrics.events.inc({ type }, 0);
  metrics.pause.zero({ outcome: 'completed' });
  metrics.interruption.zero({ outcome: 'completed' });
  return { ...metrics, ofSite: [siteReported, siteSlots, siteVms, siteDraining] };
}

/** The gaps that moves cause, and those that clients notice. */
function interruptionMetrics(registers: Registry[]) {
  return {
    pause: new Histogram({
      name: 'tagalong_migration_pause_seconds',
      help: 'From the stop of the VM at the source until it runs at the destination. Failed and cancelled moves count only if the VM stopped.',
      labelNames: ['outcome'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30],
      registers,
    }),
    interruption: new Histogram({
      name: 'tagalong_migration_interruption_seconds',
      help: 'The longest gap in a client’s traffic during a move. Failed and cancelled moves count only if there was a gap.',
      labelNames: ['outcome'],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30],
      registers,
    }),
    hypervisorDowntime: new Histogram({
      name: 'tagalong_migration_hypervisor_downtime_seconds',
      help: 'The downtime that the hypervisor reports, if it does. It is too short: it ends before the VM runs again.',
      labelNames: ['outcome'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10],
      registers,
    }),
    clientGap: new Histogram({
      name: 'tagalong_client_gap_seconds',
      help: 'Gaps in their traffic that clients reported, whether or not a move was under way.',
      buckets: [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30],
      registers,
    }),
    clientResets: new Counter({
      name: 'tagalong_client_resets_total',
      help: 'Connections that clients reported as lost, whether or not a move was under way.',
      registers,
    }),
  };
}

/** How long migrations take, and how well that was predicted. */
function durationMetrics(registers: Registry[]) {
  return {
    duration: new Histogram({
      name: 'tagalong_migration_duration_seconds',
      help: 'From the beginning of a migration to its end, by its outcome.',
      labelNames: ['outcome'],
      buckets: [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600],
      registers,
    }),
    phase: new Histogram({
      name: 'tagalong_migration_phase_duration_seconds',
      help: 'How long a phase of a migration took, including the time to undo it, for all outcomes.',
      labelNames: ['phase'],
      buckets: [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1200],
      registers,
    }),
    predictionError: new Histogram({
      name: 'tagalong_migration_prediction_error_ratio',
      help: 'Measured ÷ predicted value of completed migrations. 1 is a perfect prediction.',
      labelNames: ['measure'],
      buckets: [0.25, 0.5, 0.67, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.5, 2, 4],
      registers,
    }),
  };
}

/** The outcomes of migrations. */
function outcomeMetrics(registers: Registry[], read: Read) {
  return {
    migrations: new Counter({
      name: 'tagalong_migrations_total',
      help: 'Ended migrations. The reason of a failed one is its error code; the reason of a cancelled one names who cancelled it.',
      labelNames: ['outcome', 'reason'],
      registers,
    }),
    degraded: new Counter({
      name: 'tagalong_migration_degraded_total',
      help: 'Migrations that were worse than planned, by kind: one path only, a forced stop, plain TCP, an incomplete release.',
      labelNames: ['kind'],
      registers,
    }),
    bytes: new Counter({
      name: 'tagalong_migration_bytes_total',
      help: 'Bytes that migrations sent between sites, including failed and cancelled ones.',
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
  };
}

/** The events on the bus. */
function eventMetrics(registers: Registry[], read: Read) {
  return {
    decisions: new Counter({
      name: 'tagalong_decisions_total',
      help: 'Decisions of placement, by verdict, reason and source.',
      labelNames: ['verdict', 'reason', 'source'],
      registers,
    }),
    events: new Counter({
      name: 'tagalong_events_total',
      help: 'Events on the bus by type, each counted once. Ingest counts the locations.',
      labelNames: ['type'],
      registers,
    }),
    rejected: new Counter({
      name: 'tagalong_events_rejected_total',
      help: 'Events that were sent to the dead letters, by error code.',
      labelNames: ['code'],
      registers,
    }),
    refused: new Counter({
      name: 'tagalong_monitor_migration_events_refused_total',
      help: 'Migration events that were not counted, because placement did not order such a migration. Look for a foreign publisher on the bus.',
      registers,
      collect() {
        this.reset();
        this.inc(read.refused());
      },
    }),
    eventLag: new Histogram({
      name: 'tagalong_event_lag_seconds',
      help: 'From the time of an event until the monitor received it.',
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60],
      registers,
    }),
    busLag: new Gauge({
      name: 'tagalong_bus_lag_events',
      help: 'Unhandled events, by consumer group and partition.',
      labelNames: ['group', 'partition'],
      registers,
      collect() {
        this.reset();
        for (const { group, partition, events } of read.lag()) this.set({ group, partition }, events);
      },
    }),
  };
}

/** The VMs that return to a site. */
function returnMetrics(registers: Registry[], read: Read) {
  return {
    returns: new Counter({
      name: 'tagalong_migration_returns_total',
      help: 'Completed migrations to a site that the VM had left within the last hour.',
      registers,
    }),
    flapping: new Gauge({
      name: 'tagalong_vms_flapping',
      help: 'VMs that returned to a site at least twice within the last hour. The log of the monitor names them.',
      registers,
      collect() {
        this.set(read.flapping());
      },
    }),
  };
}

/** The sites, by their last heartbeats. */
function siteMetrics(registers: Registry[]) {
  return {
    siteReported: new Gauge({
      name: 'tagalong_site_last_report_timestamp_seconds',
      help: 'The time of the last heartbeat of a site, since the Unix epoch; until the first one, the start of the monitor.',
      labelNames: ['site'],
      registers,
    }),
    siteSlots: new Gauge({
      name: 'tagalong_site_slots',
      help: 'How many VMs a site can run, by its last heartbeat.',
      labelNames: ['site'],
      registers,
    }),
    siteVms: new Gauge({
      name: 'tagalong_site_vms',
      help: 'How many VMs run at a site, by its last heartbeat.',
      labelNames: ['site'],
      registers,
    }),
    siteDraining: new Gauge({
      name: 'tagalong_site_draining',
      help: '1 if a site is draining, otherwise 0.',
      labelNames: ['site'],
      registers,
    }),
  };
}
