/** What holds of everything that was heard, stored, logged and counted in a storm. */
import { expect } from 'vitest';
import { TERMINAL_TYPES } from '#shared/events/index.ts';
import { type CrashWorld, PROCESSES, USER_LAT } from './crash-world.ts';

const HOUR_MS = 3_600_000;
/** Users as they name themselves: those that count, those of bombs, and a stranger. */
const NAMES = /rider-\d|user-of-|a-stranger/;
/** Characters around a name that should not be there. */
const AROUND = 200;

/** Rules 3 to 6. @param isHonest whether a VM counts */
export function rulesHold(world: CrashWorld, isHonest: (vm: string) => boolean): void {
  const accepted = world.of('migration.accepted.v1').map(({ data }) => data.migration);
  const ended = world.ends().map(({ migration }) => migration);
  expect(new Set(ended).size, 'rule 5: one terminal event each').toBe(ended.length);
  expect(accepted.filter((migration) => !ended.includes(migration))).toEqual([]);
  expect(atOnce(world), 'rule 3: one at a time').toEqual([]);
  expect(world.contradictions, 'rule 6: nothing was said in two ways').toEqual([]);
  const letters = world.of('event.rejected.v1').map(({ data: { vm, code, reason } }) => ({ vm, code, reason }));
  expect(letters.length, 'garbage was noticed').toBeGreaterThan(0);
  expect(letters.filter(({ vm }) => isHonest(vm))).toEqual([]);
  const located = world.of('location.reported.v1').filter(({ data: { vm } }) => isHonest(vm));
  expect(located, 'rule 4: every accepted location reached the bus, once').toHaveLength(world.accepted);
}

/** Rule 7, of the moves that its policy ordered; others do not weigh. @returns how many there were */
export function worthIt(world: CrashWorld, isHonest: (vm: string) => boolean): number {
  const { margin, maxMovesPerHour } = world.config.policy;
  const moves = world.decided().filter(({ verdict }) => verdict === 'move');
  const weighed = moves.filter(({ source, explanation }) => source === 'policy' && explanation.policy === 'tagalong');
  for (const { decision, vm, atMs, prediction } of weighed) {
    const { benefitUserMs, costUserMs } = prediction!;
    expect(benefitUserMs, `rule 7: ${decision} is worth it`).toBeGreaterThanOrEqual(margin * costUserMs * (1 - 1e-9));
    // A bomb that is taken away and declared again begins anew.
    if (!isHonest(vm)) continue;
    const hour = moves.filter((move) => move.vm === vm && move.atMs > atMs - HOUR_MS && move.atMs <= atMs);
    expect(hour.length, `rule 7: moves of ${vm} in the hour before`).toBeLessThanOrEqual(maxMovesPerHour);
  }
  return weighed.length;
}

/**
 * Rule 8: pseudonyms on the bus and in the store, and none, nor a coordinate, in metrics. Who may ask, and how long the bus keeps
 * positions, is tested with the services that see to it.
 */
export async function namesNobody(world: CrashWorld): Promise<void> {
  const heard = JSON.stringify([...world.heard.values()]);
  expect(heard, 'positions were heard').toContain(`${USER_LAT}`);
  expect(namesIn(heard), 'rule 8: on the bus').toBeUndefined();
  const stored = JSON.stringify(await world.store.list(''));
  expect(stored, 'positions are stored').toContain(`${USER_LAT}`);
  expect(namesIn(stored), 'rule 8: in the store').toBeUndefined();
  for (const name of PROCESSES) {
    const metrics = await (await fetch(`${await world.urlOf(name)}/metrics`)).text();
    expect(metrics).toContain('tagalong_');
    expect(namesIn(metrics) ?? placesIn(metrics), `rule 8: metrics of ${name}`).toBeUndefined();
  }
}

/** Rule 8, in the logs of all processes, those included that were killed. After they have ended. */
export function logsNameNobody(world: CrashWorld): void {
  const logs = world.logs.join('\n');
  expect(logs, 'something was logged').toContain('"level":"debug"');
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

/** Migrations that were accepted while another one of their VM had not ended. */
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
