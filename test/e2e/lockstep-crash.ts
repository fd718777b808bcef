/**
 * Rule 6 with real processes, compared with a run in which nothing happened: processes are killed at random moments of a
 * replay in lockstep, the server is lost and comes back, and all that was decided and moved is what it would have been.
 * TAGALONG_LONG=1 makes it a long run; TAGALONG_SEED=… draws the same users, and the same victims after as many instants and
 * events.
 */
import { expect } from 'vitest';
import type { LockstepProgress } from '#deploy/cli/run/lockstep.ts';
import { namesOf } from '#deploy/cli/run/lockstep.ts';
import { until } from '#shared/clock/retry.ts';
import { seededRandom } from '#shared/random/random.ts';
import { longOr } from '../long.ts';
import { SEED } from '../property/seed.ts';
import { drivers, PROCESSES, played, settingsOf, simulated } from './lockstep-world.ts';

export const KILLS = longOr(3, 50);
/** So long for one kill, at the most: until it is noticed, and the process is there again. */
export const KILL_MS = 30_000;
/** Positions of each driver, for so many kills: enough of the trace has to be left for the last of them. */
const STEPS = 24 + KILLS;
/** A position causes up to some six events, as a rule: a kill may follow each of them. */
const EVENTS = 6;
/** How long one stays away: some are back before anybody has noticed. */
const AWAY_MS = 3000;

/** A server that can be lost. */
export interface Losable {
  readonly url: string;
  /** Ends it, or one of its nodes, without a word; then starts it again. */
  lose(): Promise<void>;
  readonly replicas: number;
}

/** @param kills how many processes are killed; the server is lost once, after half of them */
export async function crash({ url, lose, replicas }: Losable, kills: number): Promise<void> {
  const subject = await drivers(SEED, STEPS);
  const expected = await simulated(subject);
  const random = seededRandom(SEED);
  const int = (n: number) => Math.floor(random.next() * n);
  const victims: string[] = [];
  const names = namesOf(PROCESSES);

  /** Kills, one after the other, each a random number of instants, and then of events, after the last. */
  const disturb = async (progress: LockstepProgress, over: () => boolean, heard: () => number) => {
    const every = subject.fixes.length / (kills + 1);
    while (victims.length < kills && !over()) {
      const from = progress.instants + int(1.5 * every);
      await until(() => progress.instants >= from || over(), { everyMs: 1 });
      const after = heard() + int(EVENTS);
      await until(() => heard() >= after || over(), { everyMs: 1 });
      const name = names[int(names.length)]!;
      if (!progress.kill(name)) continue;
      victims.push(name);
      if (victims.length === Math.ceil(kills / 2)) await lose();
    }
  };
  const run = await played(settingsOf(url, replicas), subject, disturb, () => int(AWAY_MS));
  const { instants, restarts, ingest } = run.progress;
  console.info(`killed ${victims.join(', ')}; ${instants} instants, ${ingest.repeated} requests repeated`);

  expect(victims.length, 'everything that was to go wrong went wrong').toBe(kills);
  expect(restarts).toBeGreaterThanOrEqual(kills);
  expect(expected.lines.length, 'a run in which nothing moves proves nothing').toBeGreaterThan(60);
  expect(run.lines, 'every decision and every end of a move, once').toEqual(expected.lines);
  expect(run.places).toEqual(expected.places);
  expect(run.recorded, 'placement has the VMs on record where they are').toEqual(expected.places);
  expect(run.contradictions, 'nothing was said in two ways').toEqual([]);
  expect(run.accepted).toBe(subject.fixes.length);
  expect(run.located, 'what was accepted was on the bus').toBe(run.accepted);
}
