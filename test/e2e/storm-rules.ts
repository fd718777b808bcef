/** Checks rules 3 to 8 on the events, records, logs and metrics of a storm. */
import { expect } from 'vitest';
import { TERMINAL_TYPES } from '#shared/events/index.ts';
import { type CrashWorld, PROCESSES, USER_LAT } from './crash-world.ts';

const HOUR_MS = 3_600_000;
/** The ids of all users in a storm. */
const NAMES = /rider-\d|user-of-|a-stranger/;
/** The number of characters to show around a forbidden name. */
const AROUND = 200;

/** Asserts rules 3 to 6. @param isHonest whether a VM is one of the users' VMs */
export function assertRules3To6(world: CrashWorld, isHonest: (vm: string) => boolean): void {
  const accepted = world.of('migration.accepted.v1').map(({ data }) => data.migration);
  const ended = world.ends().map(({ migration }) => migration);
  expect(new Set(ended).size, 'rule 5: one terminal event for each move').toBe(ended.length);
  expect(accepted.filter((migration) => !ended.includes(migration))).toEqual([]);
  expect(atOnce(world), 'rule 3: one at a time').toEqual([]);
  expect(world.contradictions, 'rule 6: each id has one content').toEqual([]);
  const letters = world.of('event.rejected.v1').map(({ data: { vm, code, reason } }) => ({ vm, code, reason }));
  expect(letters.length, 'garbage became dead letters').toBeGreaterThan(0);
  expect(letters.filter(({ vm }) => isHonest(vm))).toEqual([]);
  const located = world.of('location.reported.v1').filter(({ data: { vm } }) => isHonest(vm));
  expect(located, 'rule 4: each accepted location reached the bus once').toHaveLength(world.accepted);
}

/** Asserts rule 7 for the moves of the policy tagalong. @returns their number */
export function assertRule7(world: CrashWorld, isHonest: (vm: string) => boolean): number {
  const { margin, maxMovesPerHour } = world.config.policy;
  const moves = world.decided().filter(({ verdict }) => verdict === 'move');
  const weighed = moves.filter(({ source, explanation }) => source === 'policy' && explanation.policy === 'tagalong');
  for (const { decision, vm, atMs, prediction } of weighed) {
    const { benefitUserMs, costUserMs } = prediction!;
    expect(benefitUserMs, `rule 7: ${decision} is worth it`).toBeGreaterThanOrEqual(margin * costUserMs * (1 - 1e-9));
    // A bomb that is removed and declared again has a new budget.
    if (!isHonest(vm)) continue;
    const hour = moves.filter((move) => move.vm === vm && move.atMs > atMs - HOUR_MS && move.atMs <= atMs);
    expect(hour.length, `rule 7: moves of ${vm} in the hour before`).toBeLessThanOrEqual(maxMovesPerHour);
  }
  return weighed.length;
}

/**
 * Asserts rule 8: bus and store hold pseudonyms only, and metrics hold neither users nor coordinates. The tests of the services
 * check access and retention.
 */
export async function assertPseudonyms(world: CrashWorld): Promise<void> {
  const published = JSON.stringify([...world.events.values()]);
  expect(published, 'positions are on the bus').toContain(`${USER_LAT}`);
  expect(namesIn(published), 'rule 8: on the bus').toBeUndefined();
  const stored = JSON.stringify(await world.store.list(''));
  expect(stored, 'positions are stored').toContain(`${USER_LAT}`);
  expect(namesIn(stored), 'rule 8: in the store').toBeUndefined();
  for (const name of PROCESSES) {
    const metrics = await (await fetch(`${await world.urlOf(name)}/metrics`)).text();
    expect(metrics).toContain('tagalong_');
    expect(namesIn(metrics) ?? placesIn(metrics), `rule 8: metrics of ${name}`).toBeUndefined();
  }
}

/** Asserts rule 8 on the logs of all processes, also of killed ones. Call it after their end. */
export function assertLogsNameNoUser(world: CrashWorld): void {
  const logs = world.logs.join('\n');
  expect(logs, 'the logs are not empty').toContain('"level":"debug"');
  expect(namesIn(logs) ?? placesIn(logs), 'rule 8: logs').toBeUndefined();
}

function namesIn(text: string): string | undefined {
  return around(text, text.search(NAMES));
}

function placesIn(text: string): string | undefined {
  return around(text, text.indexOf(`${USER_LAT}`));
}

function around(text: string, at: number): string | undefined {
  return at < 0 ? undefined : text.slice(Math.max(0, at - AROUND), at + AROUND);
}

/** The migrations that were accepted before the previous one of the same VM had ended. */
function atOnce(world: CrashWorld): string[] {
  const open = new Map<string, string>();
  const wrong: string[] = [];
  for (const { type, data } of world.of('migration.accepted.v1', ...TERMINAL_TYPES)) {
    const { vm, migration } = data;
    if (type !== 'migration.accepted.v1') {
      if (open.get(vm) === migration) open.delete(vm);
      continue;
    }
    if (open.has(vm)) wrong.push(`${migration} while ${open.get(vm)}`);
    open.set(vm, migration);
  }
  return wrong;
}
