/** The metrics that services count themselves. The monitor derives all others from the events on the bus. */
import { collectDefaultMetrics } from 'prom-client';
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { metricsOf } from '#shared/connection/counters.ts';
import { PHASES } from '#shared/events/index.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { MigrationState } from '#shared/migration/context.ts';
import { VM_STATES } from '#shared/policy/state/vm-context.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { VERSION } from '#shared/version.ts';
import type { Dashboard } from '../dashboard/service.ts';
import type { Ingest } from '../ingest/service.ts';
import type { MigratorService } from '../migrator/service.ts';
import type { PlacementService } from '../placement/service.ts';
import type { AuditTrail } from '../runtime/audit-trail.ts';
import type { Exposition, Sample } from '../runtime/exposition.ts';
import { type HeldBus, REFUSALS } from '../runtime/held-events.ts';
import type { Tracer } from '../tracer/service.ts';
import type { Webhooks } from '../webhook/service.ts';
import { STORE_KINDS } from './records.ts';

const MIGRATION_STATES: readonly MigrationState[] = ['queued', ...PHASES, 'undoing', 'asking'];

/** Processor, memory and event loop of the process, and its version. */
export function observeProcess({ registry, gauge }: Pick<Exposition, 'registry' | 'gauge'>): void {
  collectDefaultMetrics({ register: registry });
  // These are gauges with the names of counters, to which Prometheus' own checker objects.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`);
  const labels = { version: VERSION, node: process.versions.node };
  gauge(
    'tagalong_build_info',
    'Always 1. The labels contain the versions of Tagalong and Node.js.',
    Object.keys(labels),
    () => [{ labels, value: 1 }],
  );
}

/** The metrics of ingest. */
export function observeIngest({ counter }: Exposition, { counts }: Ingest): void {
  counter('tagalong_ingest_locations_total', 'Received locations, by outcome.', ['outcome'], () => [
    { labels: { outcome: 'accepted' }, value: counts.accepted },
    { labels: { outcome: 'unattached' }, value: counts.unattached },
    ...Object.entries(counts.implausible).map(([outcome, value]) => ({ labels: { outcome }, value })),
  ]);
}

/** The metrics of placement, about the VMs of this process. */
export function observePlacement({ counter, gauge }: Exposition, placement: PlacementService): void {
  counter('tagalong_placement_locations_total', 'Location events, by outcome.', ['outcome'], () =>
    [...placement.counts].map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
  counter(
    'tagalong_placement_migrations_never_ordered_total',
    'Migration events that placement ignored, because it did not order such a migration. Look for a foreign publisher on the bus.',
    [],
    () => [{ labels: {}, value: placement.neverOrdered }],
  );
  gauge('tagalong_placement_vms', 'VMs of this process, by their state in the policy.', ['state'], () =>
    countedAs(placement.states(), VM_STATES),
  );
  gauge(
    'tagalong_placement_vms_stranded',
    'VMs of this process whose home is a site that was removed or never declared.',
    [],
    () => [{ labels: {}, value: placement.stranded() }],
  );
}

/** The metrics of the migrator. @param clock the clock of the migrator */
export function observeMigrator(
  { counter, gauge }: Exposition,
  migrator: MigratorService,
  clock: Clock,
  { foreignVms = () => 0 }: Pick<Machines, 'foreignVms'> = {},
): void {
  gauge(
    'tagalong_migrator_on_duty',
    '1 if this process is the leader and moves the VMs; 0 if it stands by or has lost bus or store.',
    [],
    () => [{ labels: {}, value: migrator.isLeader ? 1 : 0 }],
  );
  gauge('tagalong_migrator_migrations', 'Migrations under way at the leader, by step.', ['state'], () => {
    const counts = new Map<string, number>();
    for (const { state } of migrator.status()) counts.set(state, (counts.get(state) ?? 0) + 1);
    return countedAs(counts, MIGRATION_STATES);
  });
  gauge(
    'tagalong_migrator_foreign_vms',
    'VMs that sites claim to run although they were not handed to them. Tagalong ignores these claims.',
    [],
    () => [{ labels: {}, value: foreignVms() }],
  );
  counter(
    'tagalong_migrator_decisions_refused_total',
    'Decisions that were not carried out, because placement did not make them. Look for a foreign publisher on the bus.',
    [],
    () => [{ labels: {}, value: migrator.refused }],
  );
  gauge(
    'tagalong_migrator_oldest_migration_seconds',
    'The time since the oldest migration under way was accepted; 0 if there is none.',
    [],
    () => {
      const oldestMs = Math.min(clock.now(), ...migrator.status().map(({ acceptedAtMs }) => acceptedAtMs));
      return [{ labels: {}, value: (clock.now() - oldestMs) / 1000 }];
    },
  );
}

/** The metrics of the dashboard. */
export function observeDashboard({ counter }: Exposition, dashboard: Dashboard): void {
  counter(
    'tagalong_dashboard_migration_events_refused_total',
    'Migration events that were not shown, because placement did not order such a migration. Look for a foreign publisher on the bus.',
    [],
    () => [{ labels: {}, value: dashboard.refused }],
  );
}

const REFUSED_WHY = 'because placement did not order such a move. Look for a foreign publisher on the bus.';

/** The metrics of the tracer. @param tracer undefined without a collector */
export function observeTracer({ counter }: Exposition, tracer: Tracer | undefined): void {
  counter('tagalong_tracer_events_refused_total', `Events that got no trace, ${REFUSED_WHY}`, [], () => [
    { labels: {}, value: tracer?.refused ?? 0 },
  ]);
}

/** The metrics of the webhooks. */
export function observeWebhooks({ counter }: Exposition, webhooks: Webhooks): void {
  counter('tagalong_webhook_events_refused_total', `Events of which no webhook was told, ${REFUSED_WHY}`, [], () => [
    { labels: {}, value: webhooks.refused },
  ]);
}

/** The metric of records that are set aside. Each is a VM, user, site or pair of sites that Tagalong does not manage meanwhile. */
export function observeSetAside({ gauge }: Exposition, setAside: SetAside): void {
  gauge(
    'tagalong_records_set_aside',
    'Records that this process has set aside because it cannot read or write them, by kind.',
    ['kind'],
    () => {
      const counts = new Map<string, number>();
      for (const { kind } of setAside.list()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
      return STORE_KINDS.map(({ kind }) => ({ labels: { kind }, value: counts.get(kind) ?? 0 }));
    },
  );
}

/** A sample for each state, including states with the count 0, because a series must not come and go. */
function countedAs(counts: ReadonlyMap<string, number>, states: readonly string[]): Sample[] {
  return states.map((state) => ({ labels: { state }, value: counts.get(state) ?? 0 }));
}

/** The metric of the events that the process refused although they fit their schema. */
export function observeHeldEvents({ counter }: Exposition, { refused }: Pick<HeldBus, 'refused'>): void {
  counter(
    'tagalong_bus_events_refused_total',
    'Events of the bus that this process ignored: from the future, or of a site that does not exist. Look for a foreign publisher on the bus.',
    ['reason'],
    () => REFUSALS.map((reason) => ({ labels: { reason }, value: refused[reason] })),
  );
}

/** The metric of the audit. */
export function observeAudit({ counter }: Pick<Exposition, 'counter'>, trail: Pick<AuditTrail, 'lost'>): void {
  counter(
    'tagalong_audit_records_lost_total',
    'Records of the audit that the bus did not receive, because it could not be reached for long. The log has them.',
    [],
    () => [{ labels: {}, value: trail.lost }],
  );
}

/** The metrics of the connections to bus and store. */
export function observeConnections({ counter, gauge }: Exposition, bus: Bus, store: Store): void {
  gauge('tagalong_bus_connected', '1 while this process can use the bus, 0 while it cannot.', [], () => [
    { labels: {}, value: bus.connected() === true ? 1 : 0 },
  ]);
  gauge('tagalong_store_connected', '1 while this process can use the store, 0 while it cannot.', [], () => [
    { labels: {}, value: store.connected() === true ? 1 : 0 },
  ]);
  const { counters = {} } = bus;
  for (const { key, name, help } of metricsOf(counters)) {
    counter(name, help, [], () => [{ labels: {}, value: counters[key] ?? 0 }]);
  }
}
