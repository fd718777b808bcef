/**
 * Rule 9 with real processes, in real time: configuration and sites change, processes are killed, the server stops, and whatever
 * is accepted and whatever is not comes in, all at once. Rules 1 to 8 hold, and in the end every VM is where it would be without.
 * TAGALONG_LONG=1 makes it half an hour; TAGALONG_SEED=… draws the same disturbances and inputs again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { SiteConfig } from '#shared/config/schema.ts';
import { seededRandom } from '#shared/random/random.ts';
import { longOr } from '../long.ts';
import { SEED } from '../property/seed.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';
import { CrashWorld, lon, PROCESSES, USER_LAT, USERS, vmOf } from './crash-world.ts';
import { BOMBS, hostile } from './storm-hostile.ts';
import { logsNameNobody, namesNobody, rulesHold, worthIt } from './storm-rules.ts';
import { undisturbed } from './storm-undisturbed.ts';
import { JUNK, KINDS, PLACES, Storm, settingsOf } from './storm-world.ts';

const STORM_MS = longOr(110_000, 30 * 60_000);
const REST_MS = 120_000;
/** Between two reports of the users where they are in the end. */
const REPORT_MS = 3000;

const HONEST = new Set(USERS.map(vmOf));
const isHonest = (vm: string) => HONEST.has(vm);

onNats('rule 9 on NATS: a storm of everything that may happen', () => {
  test(
    `nothing stops, and every VM is where it would be without, after ${STORM_MS / 1000} s`,
    async () => {
      const server = await startNats();
      try {
        await storm(server);
      } finally {
        await server.stop();
      }
    },
    STORM_MS + 2 * REST_MS + 240_000,
  );
});

async function storm(server: NatsTestServer): Promise<void> {
  const random = seededRandom(SEED);
  const world = await CrashWorld.start(server.url, settingsOf(server.url, { policy: 'tagalong' }));
  const storm = new Storm(world, server, random);
  let over = false;
  const feeders = [0, 1, 2].map((i) => world.feed(seededRandom(SEED + i + 1), { i, of: 3 }, () => over, PLACES));
  const strangers = hostile(world, { seed: SEED, random: seededRandom(SEED + 4) }, () => over);
  try {
    // Calm before the storm: moves are under way when it begins.
    await vi.waitFor(() => expect(movesOf(world)).toBeGreaterThan(0), { timeout: 60_000, interval: 200 });
    await storm.rage(STORM_MS);
  } finally {
    over = true;
  }
  const [answers] = await Promise.all([strangers, ...feeders]);
  const completed = movesOf(world);

  await storm.declareComing();
  await storm.configureTheEnd();
  await Promise.all([world.restart('placement-1', 'SIGKILL'), world.restart('placement-2', 'SIGKILL')]);
  await world.allServe();
  const places = new Map(USERS.map((user, i) => [user, { lat: USER_LAT, lon: lon(i % (PLACES + 1)) }]));
  const homes = undisturbed({ ...settingsOf(server.url), sites: await sitesOf(world) }, places);
  await calm(world, storm, { places, homes });
  for (const vm of BOMBS) await storm.ask('ingest', 'DELETE', `/v1/vms/${vm}`, [204, 404]);
  await world.rest(REST_MS);

  console.info(
    `${[...storm.done].map(([kind, n]) => `${kind}: ${n}`).join(', ')}; ${world.accepted} locations, ${completed} moves, ` +
      `answers: ${JSON.stringify(Object.fromEntries(answers.byStatus))}`,
  );
  for (const kind of KINDS) expect(storm.done.get(kind), kind).toBeGreaterThan(0);
  expect(completed, 'a storm in which nothing moves proves nothing').toBeGreaterThan(10);
  expect(answers.faults).toEqual([]);
  expect(accepted(answers.byStatus), 'strangers were taken seriously').toBeGreaterThan(10);
  expect(world.endedAlone, 'nobody ended that was not killed').toEqual([]);
  await everybodyReady(world);
  rulesHold(world, isHonest);
  expect(await homesOf(storm), 'as without the storm').toEqual(homes);
  const running = await world.running();
  expect([...HONEST].map((vm) => [vm, running.get(vm)]).sort(), 'rules 1 and 2').toEqual([...homes].sort());
  expect(worthIt(world, isHonest), 'moves that were weighed').toBeGreaterThan(0);
  await namesNobody(world);
  expect(await world.stop(), 'everybody ends in good order').toEqual([]);
  logsNameNobody(world);
}

/** The sites that are there. */
async function sitesOf(world: CrashWorld): Promise<SiteConfig[]> {
  const response = await fetch(`${await world.urlOf('migrator-1')}/v1/sites`);
  const { sites } = (await response.json()) as { sites: (SiteConfig & { by: unknown })[] };
  return sites.map(({ by: _, ...site }) => site);
}

/** Where the VMs are that count. */
async function homesOf(storm: Storm): Promise<Map<string, string>> {
  const vms = await storm.vms();
  return new Map([...vms].filter(([vm]) => isHonest(vm)).map(([vm, { home }]) => [vm, home]));
}

/** @throws with the explanations of those that are elsewhere */
async function allCame(storm: Storm, homes: ReadonlyMap<string, string>): Promise<void> {
  const now = await homesOf(storm);
  const elsewhere = [...homes].filter(([vm, home]) => now.get(vm) !== home).map(([vm]) => vm);
  expect(await Promise.all(elsewhere.map((vm) => storm.explain(vm))), 'as without the storm').toEqual([]);
}

/** The users stay where they are and say so, until their VMs have come and nothing moves any more. */
async function calm(
  world: CrashWorld,
  storm: Storm,
  end: {
    readonly places: ReadonlyMap<string, { readonly lat: number; readonly lon: number }>;
    readonly homes: ReadonlyMap<string, string>;
  },
): Promise<void> {
  let rests = false;
  const report = async () => {
    while (!rests) {
      const atMs = Date.now();
      await world.send([...end.places].map(([user, place]) => ({ user, ...place, atMs })));
      await sleep(REPORT_MS);
    }
  };
  const reports = report();
  try {
    await vi.waitFor(() => allCame(storm, end.homes), { timeout: REST_MS, interval: 2000 });
    await world.rest(REST_MS, isHonest);
  } finally {
    rests = true;
    await reports;
  }
}

async function everybodyReady(world: CrashWorld): Promise<void> {
  const setAside: { key: string; code: string }[] = [];
  for (const name of PROCESSES) {
    const url = await world.urlOf(name);
    expect((await fetch(`${url}/readyz`)).status, `${name} is ready`).toBe(200);
    const said = (await (await fetch(`${url}/v1/set-aside`)).json()) as { setAside: typeof setAside };
    setAside.push(...said.setAside);
  }
  expect(
    setAside.filter(({ key }) => !key.includes(JUNK)),
    'only junk is set aside',
  ).toEqual([]);
  expect(setAside.map(({ code }) => code)).toContain('STORE_RECORD_UNREADABLE');
}

function movesOf(world: CrashWorld): number {
  return world.of('migration.completed.v1').filter(({ data: { vm } }) => isHonest(vm)).length;
}

function accepted(byStatus: ReadonlyMap<number, number>): number {
  return [...byStatus].reduce((sum, [status, n]) => sum + (status < 300 ? n : 0), 0);
}
