/**
 * Rule 6 with real processes: a replay in lockstep, with processes killed at random moments and a server that fails and returns,
 * has the decisions and moves of an undisturbed simulation. TAGALONG_LONG=1 selects the long run; TAGALONG_SEED=… repeats users,
 * victims, and the instants and events of the kills.
 */
import { expect } from 'vitest';
import type { LockstepProgress } from '#deploy/cli/run/lockstep.ts';
import { namesOf } from '#deploy/cli/run/lockstep.ts';
import { until } from '#shared/clock/retry.ts';
import { seededRandom } from '#shared/random/random.ts';
import { longOr } from '../long.ts';
import { SEED } from '../property/seed.ts';
import { drivers, PROCESSES, played, type Subject, settingsOf, shoppers, simulated } from './lockstep-world.ts';

export const KILLS = longOr(3, 50);
/** The longest time for one kill, until the process is noticed as dead and runs again. */
export const KILL_MS = 30_000;
/** The positions of each driver: enough for the last kill. */
const STEPS = 24 + KILLS;
/** The positions of each shopper, one a minute: enough for the forecast to know the sites, and for the groups to move. */
const SHOPPING_STEPS = 110;
/** A position usually causes up to six events. A kill may follow each of them. */
const EVENTS = 6;
/** The longest pause before a restart. Some processes return before the others notice the kill. */
const AWAY_MS = 3000;

/** A server that a test can lose. */
export interface Losable {
  readonly url: string;
  /** Kills the server or one of its nodes, and starts it again. */
  lose(): Promise<void>;
  readonly replicas: number;
}

/** Plays drivers under `nearest`. @param kills number of killed processes; the server is lost once, after half of them */
export async function crash(server: Losable, kills: number): Promise<void> {
  await crashWith(await drivers(SEED, STEPS), server, kills);
}

/** Plays groups under the default policy, with its forecast and turns; as `crash`. */
export async function crashGroups(server: Losable, kills: number): Promise<void> {
  const { decisions, stays } = await crashWith(await shoppers(SEED, SHOPPING_STEPS), server, kills);
  expect(decisions.filter((line) => line.includes('"with-lead"')).length, 'groups moved').toBeGreaterThan(10);
  expect(stays, 'the placements shared what they learned').toBeGreaterThan(20);
}

async function crashWith(subject: Subject, { url, lose, replicas }: Losable, kills: number) {
  const expected = await simulated(subject);
  const random = seededRandom(SEED);
  const int = (n: number) => Math.floor(random.next() * n);
  const victims: string[] = [];
  const names = namesOf(PROCESSES);

  /** Kills processes one after the other, each after a random number of instants and events. */
  const disturb = async (progress: LockstepProgress, over: () => boolean, published: () => number) => {
    const every = subject.fixes.length / (kills + 1);
    while (victims.length < kills && !over()) {
      const from = progress.instants + int(1.5 * every);
      await until(() => progress.instants >= from || over(), { everyMs: 1 });
      const after = published() + int(EVENTS);
      await until(() => published() >= after || over(), { everyMs: 1 });
      const name = names[int(names.length)]!;
      if (!progress.kill(name)) continue;
      victims.push(name);
      if (victims.length === Math.ceil(kills / 2)) await lose();
    }
  };
  const run = await played(settingsOf(url, replicas, subject.policy), subject, disturb, () => int(AWAY_MS));
  const { instants, restarts, ingest } = run.progress;
  console.info(`killed ${victims.join(', ')}; ${instants} instants, ${ingest.repeated} requests repeated`);

  expect(victims.length, 'all kills happened').toBe(kills);
  expect(restarts).toBeGreaterThanOrEqual(kills);
  expect(expected.lines.length, 'enough VMs moved').toBeGreaterThan(60);
  expect(run.lines, 'each decision and each end of a move once').toEqual(expected.lines);
  expect(run.places).toEqual(expected.places);
  expect(run.recorded, 'the records of placement name the sites of the VMs').toEqual(expected.places);
  expect(run.contradictions, 'each id has one content').toEqual([]);
  expect(run.accepted).toBe(subject.fixes.length);
  expect(run.located, 'each accepted location reached the bus').toBe(run.accepted);
  return { decisions: run.lines, stays: run.stays };
}
