import type { Command } from 'commander';
import type { MigrationStatus } from '#services/migrator/service.ts';
import type { PlacementStatus } from '#services/placement/status.ts';
import { ask, type ServerOptions, withServerOptions } from './client.ts';
import { bytes, counted, instant } from './format.ts';
import { table } from './table.ts';

/** `tagalong status`: all sites, VMs and moves under way. */
export function addStatus(program: Command): void {
  withServerOptions(program.command('status').description('show sites, VMs and moves under way')).action(status);
}

async function status(options: ServerOptions): Promise<void> {
  const [placement, { migrations }] = await Promise.all([
    ask<PlacementStatus>(options, 'GET', '/v1/status'),
    ask<{ migrations: readonly MigrationStatus[] }>(options, 'GET', '/v1/migrations'),
  ]);
  const json = { ...placement, migrations };
  process.stdout.write(options.json ? `${JSON.stringify(json)}\n` : statusTables(placement, migrations));
}

/** The tables of sites, of VMs and, where there are any, of moves under way. */
export function statusTables(placement: PlacementStatus, migrations: readonly MigrationStatus[]): string {
  const { policy, sites, vms } = placement;
  const parts = [
    `Policy ${policy}: ${counted(vms.length, 'VM')} at ${counted(sites.length, 'site')}, ${counted(migrations.length, 'move')} under way.\n`,
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
