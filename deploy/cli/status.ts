import type { Command } from 'commander';
import type { MigrationStatus } from '#services/migrator/service.ts';
import type { PlacementStatus } from '#services/placement/status.ts';
import { bytes, counted, instant } from '#shared/format.ts';
import { askAll, type ServerOptions, withServerOptions } from './client.ts';
import { setAsideOf, setAsideTable } from './set-aside.ts';
import { table } from './table.ts';

/** `tagalong status`: all sites, VMs and moves under way. */
export function addStatus(program: Command): void {
  withServerOptions(program.command('status').description('show sites, VMs and moves under way')).action(status);
}

interface Duty {
  readonly onDuty: boolean;
  readonly migrations: readonly MigrationStatus[];
}

async function status(options: ServerOptions): Promise<void> {
  const [placements, migrators, setAside] = await Promise.all([
    askAll<PlacementStatus>(options, '/v1/status'),
    askAll<Duty>(options, '/v1/migrations'),
    setAsideOf(options),
  ]);
  const placement = merged(placements);
  const migrations = migrators.flatMap((migrator) => migrator.migrations);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...placement, migrations, setAside })}\n`);
  else process.stdout.write(statusTables(placement, migrations) + gaps(placement, migrators) + setAsideTable(setAside));
}

/** What several placements say, each of its own VMs, as one would. */
export function merged(placements: readonly PlacementStatus[]): PlacementStatus {
  const [{ policy, partitions }] = placements as [PlacementStatus];
  const paused = placements.some((placement) => placement.paused);
  const held = new Set(placements.flatMap((placement) => placement.partitions.held));
  const sites = Map.groupBy(
    placements.flatMap((placement) => placement.sites),
    ({ site }) => site,
  );
  return {
    policy,
    paused,
    partitions: { held: [...held].sort((a, b) => a - b), of: partitions.of },
    sites: [...sites.values()].map((same) => ({
      ...same[0]!,
      vms: same.reduce((sum, { vms }) => sum + vms, 0),
      inbound: same.reduce((sum, { inbound }) => sum + inbound, 0),
    })),
    vms: placements.flatMap(({ vms }) => vms).sort((a, b) => (a.vm < b.vm ? -1 : 1)),
  };
}

/** What is missing because nobody answered who has it. */
function gaps({ partitions: { held, of } }: PlacementStatus, migrators: readonly Duty[]): string {
  const lines: string[] = [];
  if (held.length < of) {
    lines.push(`VMs on ${of - held.length} of ${of} partitions are missing: name the other placements with --url too.`);
  }
  if (!migrators.some(({ onDuty }) => onDuty)) {
    lines.push('Moves are missing: no migrator that is on duty was asked; name it with --url too.');
  }
  return lines.map((line) => `\n${line}\n`).join('');
}

/** The tables of sites, of VMs and, where there are any, of moves under way. */
export function statusTables(placement: PlacementStatus, migrations: readonly MigrationStatus[]): string {
  const { policy, paused, sites, vms } = placement;
  const parts = [
    `Policy ${policy}${paused ? ' (automatic moves are paused)' : ''}: ${counted(vms.length, 'VM')} at ${counted(sites.length, 'site')}, ${counted(migrations.length, 'move')} under way.\n`,
    table(
      [
        { head: 'site' },
        { head: 'VMs', align: 'right' },
        { head: 'slots', align: 'right' },
        { head: 'arriving', align: 'right' },
        { head: '' },
      ],
      sites.map((one) => [one.site, ...[one.vms, one.slots, one.inbound].map(String), one.draining ? 'draining' : '']),
    ),
    table(
      [{ head: 'VM' }, { head: 'home' }, { head: 'state' }, { head: 'because' }, { head: 'users', align: 'right' }],
      vms.map(({ vm, home, state, reason, users, movingTo }) => [
        vm,
        movingTo === null ? home : `${home} → ${movingTo}`,
        state,
        reason,
        `${users}`,
      ]),
    ),
  ];
  if (migrations.length > 0) parts.push(migrationTable(migrations));
  return parts.join('\n');
}

function migrationTable(migrations: readonly MigrationStatus[]): string {
  return table(
    [
      { head: 'migration' },
      { head: 'from → to' },
      { head: 'phase' },
      { head: 'sent', align: 'right' },
      { head: 'rounds', align: 'right' },
      { head: 'accepted' },
    ],
    migrations.map((one) => [
      one.migration,
      `${one.from} → ${one.to}`,
      one.state,
      bytes(one.bytes),
      `${one.rounds}`,
      instant(one.acceptedAtMs),
    ]),
  );
}
