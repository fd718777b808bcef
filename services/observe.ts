/** What services count themselves, shown beside what the monitor reads from the bus. */
import type { Bus } from '#shared/bus/bus.ts';
import { metricsOf } from '#shared/bus/counters.ts';
import type { Ingest } from './ingest/service.ts';
import type { MigratorService } from './migrator/service.ts';
import type { Exposition } from './monitor/exposition.ts';
import type { PlacementService } from './placement/service.ts';

export function observeIngest({ counter }: Exposition, { counts }: Ingest): void {
  counter('tagalong_ingest_locations_total', 'Locations taken in, by what became of them', ['outcome'], () => [
    { labels: { outcome: 'accepted' }, value: counts.accepted },
    { labels: { outcome: 'unattached' }, value: counts.unattached },
    ...Object.entries(counts.implausible).map(([outcome, value]) => ({ labels: { outcome }, value })),
  ]);
}

export function observePlacement({ counter }: Exposition, placement: PlacementService): void {
  counter('tagalong_placement_locations_total', 'Location events, by what became of them', ['outcome'], () =>
    [...placement.counts].map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
}

export function observeDuty({ gauge }: Exposition, migrator: MigratorService): void {
  gauge('tagalong_migrator_on_duty', '1 where this process moves the VMs, 0 where it stands by', [], () => [
    { labels: {}, value: migrator.onDuty ? 1 : 0 },
  ]);
}

/** What happened to the process's connection to the bus; nothing where the bus is in the process itself. */
export function observeBus({ counter }: Exposition, { counters = {} }: Bus): void {
  for (const { key, name, help } of metricsOf(counters)) {
    counter(name, help, [], () => [{ labels: {}, value: counters[key] ?? 0 }]);
  }
}
