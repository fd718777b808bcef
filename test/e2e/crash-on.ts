/**
 * Rule 6 with real processes, in real time: kills lose nothing and repeat nothing. Each kill follows the n-th event of a type.
 * TAGALONG_LONG=1 selects the long run; TAGALONG_SEED=… repeats users, victims and points of kills.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededRandom } from '#shared/random/random.ts';
import { longOr } from '../long.ts';
import { SEED } from '../property/seed.ts';
import { CrashWorld, int } from './crash-world.ts';

const KILLS = longOr(2, 50);
/** A kill follows one to this many events of one of these types. */
const POINTS = [
  ['location.reported.v1', 100],
  ['placement.decided.v1', 4],
  ['migration.accepted.v1', 4],
  ['migration.switched.v1', 4],
  ['migration.completed.v1', 4],
] as const;
/** The time limit for these events. */
const POINT_MS = 60_000;
/** The time from the last kill to the last positions. */
const PAUSE_MS = 5000;
const REST_MS = 90_000;

/** @param start starts the server */
export function crashOn(start: () => Promise<{ readonly url: string; stop(): Promise<void> }>): void {
  test(
    `services lose nothing and decide nothing twice, over ${KILLS} kills`,
    async () => {
      const server = await start();
      try {
        await crash(server.url);
      } finally {
        await server.stop();
      }
    },
    60_000 + KILLS * 20_000 + REST_MS,
  );
}

async function crash(url: string): Promise<void> {
  const random = seededRandom(SEED);
  const world = await CrashWorld.start(url);
  let over = false;
  const feeders = [0, 1, 2].map((i) => world.feed(seededRandom(SEED + i + 1), { i, of: 3 }, () => over));
  const victims: string[] = [];
  try {
    while (world.kills < KILLS) {
      const [type, most] = POINTS[int(random, POINTS.length)]!;
      const count = 1 + int(random, most);
      await world.published(type, count, POINT_MS);
      victims.push(`${await world.killOne(random)} after ${count} ${type}`);
    }
    await sleep(PAUSE_MS);
  } finally {
    over = true;
  }
  await Promise.all(feeders);
  // The placements handle the last positions when they are killed.
  await world.burst();
  await Promise.all([world.killOne(random, ['placement-1']), world.killOne(random, ['placement-2'])]);
  await world.rest(REST_MS);

  const [kept, running] = [await world.recorded(), await world.running()];
  const decisions = world.decided();
  const accepted = world.of('migration.accepted.v1').map(({ data }) => data.migration);
  const ended = world.ends().map(({ migration }) => migration);
  const completed = world.of('migration.completed.v1').length;
  console.info(
    `killed ${victims.join(', ')}; ${world.accepted} locations, ${decisions.length} decisions, ${completed} moves`,
  );

  expect(
    world.of('event.rejected.v1').map(({ data }) => `${data.code}: ${data.reason}`),
    'no event became a dead letter',
  ).toEqual([]);
  expect(world.contradictions, 'each id has one content').toEqual([]);
  expect(world.of('location.reported.v1'), 'each accepted location reached the bus once').toHaveLength(world.accepted);

  expect(kept).toHaveLength(world.config.vms.length);
  for (const { id, home, mind, sessions } of kept) {
    const [{ user, track }] = sessions as [(typeof sessions)[number]];
    expect(track.atMs, `the last accepted location of ${user} was handled`).toBe(world.lastAccepted.get(user) ?? -1);
    const seqs = decisions.filter(({ vm }) => vm === id).map(({ seq }) => seq);
    expect(
      seqs.toSorted((a, b) => a - b),
      `${id}: each recorded decision was published once`,
    ).toEqual(Array.from({ length: mind.seq }, (_, i) => i + 1));
    expect(running.get(id), `${id} runs at its home in placement`).toBe(home);
  }
  expect(new Set(ended).size, 'one terminal event each').toBe(ended.length);
  expect(accepted.filter((migration) => !ended.includes(migration))).toEqual([]);
  expect(completed, 'enough VMs moved').toBeGreaterThan(KILLS);
  expect(await world.stop(), 'all processes end in order').toEqual([]);
}
