import type { MigrationStatus } from '#services/migrator/service.ts';
import type { PlacementStatus } from '#services/placement/status.ts';
import { TagalongError } from '#shared/errors.ts';
import { bytes, counted, instant } from '#shared/format.ts';
import { table } from '../output/table.ts';
import { askEach, type ServerOptions } from './client.ts';
import { setAsideOf, setAsideTable } from './set-aside.ts';
import { type Asked, whoIsThere } from './there.ts';

interface Duty {
  readonly onDuty: boolean;
  readonly migrations: readonly MigrationStatus[];
}

/** The known state of the installation, and which parts of it are missing. */
interface StatusReport {
  /** Undefined if no placement answered. */
  readonly placement: PlacementStatus | undefined;
  /** Undefined if no migrator answered. */
  readonly migrations: readonly MigrationStatus[] | undefined;
  /** One sentence for each part that is missing or at fault, with the reason. */
  readonly missing: readonly string[];
}

/**
 * Prints all sites, VMs and moves under way.
 * @throws TagalongError SERVER_UNREACHABLE if none of the asked processes has a status
 */
export async function runStatus(options: ServerOptions): Promise<void> {
  const [placements, migrators, setAside, there] = await Promise.all([
    askEach<PlacementStatus>(options, '/v1/status'),
    askEach<Duty>(options, '/v1/migrations'),
    setAsideOf(options),
    whoIsThere(options),
  ]);
  if (placements.answers.length + migrators.answers.length === 0) throw nobodyKnows(there);
  const placement = placements.answers.length === 0 ? undefined : merged(placements.answers);
  const report: StatusReport = {
    placement,
    migrations: migrators.answers.length === 0 ? undefined : mergedMoves(migrators.answers),
    missing: [...gaps(placement, migrators.answers), ...there.flatMap(faultOf)],
  };
  const json = () => `${JSON.stringify({ ...asJson(report), setAside })}\n`;
  process.stdout.write(options.json ? json() : statusText(report) + setAsideTable(setAside));
}

function nobodyKnows(there: readonly Asked[]): TagalongError {
  const words = there.map(({ base, services, fault }) => `${base} ${services ? `is ${inWords(services)}` : fault}`);
  const right = 'start one with "tagalong start", or name a placement and the migrator with --url';
  return new TagalongError('SERVER_UNREACHABLE', `no process gives its status: ${words.join('; ')}; ${right}`);
}

function inWords(services: readonly string[]): string {
  return services.length === 0 ? 'a process without services' : services.join(', ');
}

function faultOf({ base, fault }: Asked): string[] {
  return fault === undefined ? [] : [`${base} ${fault}.`];
}

function asJson({ placement, migrations, missing }: StatusReport) {
  const nothing = { policy: null, paused: null, pausedBy: null, partitions: null, sites: [], vms: [] };
  return { ...(placement ?? nothing), migrations: migrations ?? [], missing };
}

/**
 * Merges the reports of several placements, each about its own VMs, into one. Duplicates count once: a dashboard passes on a
 * placement's report, and two placements may list the same VM while its partition changes its owner.
 */
function merged(placements: readonly PlacementStatus[]): PlacementStatus {
  const [{ policy, partitions }] = placements as [PlacementStatus];
  const paused = placements.some((placement) => placement.paused);
  const pausedBy = placements.find((placement) => placement.pausedBy !== null)?.pausedBy ?? null;
  const held = new Set(placements.flatMap((placement) => placement.partitions.held));
  const vms = [...new Map(placements.flatMap((one) => one.vms.map((vm) => [vm.vm, vm] as const))).values()];
  const homes = Map.groupBy(vms, ({ home }) => home);
  const arriving = Map.groupBy(vms, ({ movingTo }) => movingTo);
  const sites = Map.groupBy(
    placements.flatMap((placement) => placement.sites),
    ({ site }) => site,
  );
  return {
    policy,
    paused,
    pausedBy,
    partitions: { held: [...held].sort((a, b) => a - b), of: partitions.of },
    sites: [...sites.values()].map((same) => ({
      ...same[0]!,
      vms: homes.get(same[0]!.site)?.length ?? 0,
      // Each placement counts its own moves, and the moves of other placements that it knows of.
      inbound: Math.max(arriving.get(same[0]!.site)?.length ?? 0, ...same.map(({ inbound }) => inbound)),
    })),
    vms: vms.sort((a, b) => (a.vm < b.vm ? -1 : 1)),
  };
}

/** Lists each move once. The report of the leader, if it was asked, takes precedence. */
function mergedMoves(migrators: readonly Duty[]): MigrationStatus[] {
  const byDuty = migrators.toSorted((a, b) => Number(a.onDuty) - Number(b.onDuty));
  return [...new Map(byDuty.flatMap((one) => one.migrations.map((move) => [move.migration, move]))).values()];
}

/** Lists the missing parts of the status: the processes that have them did not answer. */
function gaps(placement: PlacementStatus | undefined, migrators: readonly Duty[]): string[] {
  const lines: string[] = [];
  if (placement === undefined) lines.push('sites and VMs: no placement answered; name one with --url.');
  else {
    const { held, of } = placement.partitions;
    const others = 'name the other placements with --url too';
    if (held.length < of) lines.push(`VMs on ${of - held.length} of ${of} partitions: ${others}.`);
  }
  if (migrators.length === 0) lines.push('moves: no migrator answered; name it with --url.');
  else if (!migrators.some(({ onDuty }) => onDuty)) {
    lines.push('moves: no migrator that is on duty was asked; name it with --url too.');
  }
  return lines;
}

function statusText({ placement, migrations, missing }: StatusReport): string {
  const tables = placement === undefined ? movesAlone(migrations) : statusTables(placement, migrations);
  const lost = placement?.vms.filter(({ stranded }) => stranded) ?? [];
  const lines = [
    ...lost.map(
      ({ vm, home }) => `stranded: ${vm} at ${home}, which is not there; declare the site again, or retire the VM.\n`,
    ),
    ...missing.map((what) => `missing: ${what}\n`),
  ];
  return lines.length === 0 ? tables : `${tables}\n${lines.join('')}`;
}

function movesAlone(migrations: readonly MigrationStatus[] = []): string {
  const head = `${counted(migrations.length, 'move')} under way.\n`;
  return migrations.length === 0 ? head : `${head}\n${migrationTable(migrations)}`;
}

/** The tables of sites, of VMs and, where there are any, of moves under way. */
function statusTables(placement: PlacementStatus, migrations: readonly MigrationStatus[] | undefined): string {
  const { policy, paused, pausedBy, sites, vms } = placement;
  const moves = migrations === undefined ? 'moves not known' : `${counted(migrations.length, 'move')} under way`;
  const parts = [
    `Policy ${policy}${paused ? ` (automatic moves are paused${byWhom(pausedBy)})` : ''}: ${counted(vms.length, 'VM')} at ${counted(sites.length, 'site')}, ${moves}.\n`,
    table(
      [
        { head: 'site' },
        { head: 'VMs', align: 'right' },
        { head: 'slots', align: 'right' },
        { head: 'arriving', align: 'right' },
        { head: '' },
      ],
      sites.map((one) => [
        one.site,
        ...[one.vms, one.slots, one.inbound].map(String),
        one.draining ? `draining${byWhom(one.drainedBy)}` : '',
      ]),
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
  if (migrations !== undefined && migrations.length > 0) parts.push(migrationTable(migrations));
  return parts.join('\n');
}

/** Older processes do not name anybody. */
function byWhom(name: string | null | undefined): string {
  return name ? ` by ${name}` : '';
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
      { head: 'ordered by' },
    ],
    migrations.map((one) => [
      one.migration,
      `${one.from} → ${one.to}`,
      one.state,
      bytes(one.bytes),
      `${one.rounds}`,
      instant(one.acceptedAtMs),
      one.orderedBy ?? 'the policy',
    ]),
  );
}
