/**
 * Rule 9 with real processes, in real time: configuration and sites change, processes are killed, the server stops, and valid and
 * invalid inputs arrive, all at once. Rules 1 to 8 hold, and in the end each VM is at the site that it has without the storm.
 * TAGALONG_LONG=1 selects half an hour; TAGALONG_SEED=… repeats disturbances and inputs.
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
import { assertLogsNameNoUser, assertPseudonyms, assertRule7, assertRules3To6 } from './storm-rules.ts';
import { undisturbed } from './storm-undisturbed.ts';
import { JUNK, KINDS, PLACES, Storm, settingsOf } from './storm-world.ts';

const STORM_MS = longOr(110_000, 30 * 60_000);
const REST_MS = 120_000;
/** The interval of the users' last reports. */
const REPORT_MS = 3000;

const HONEST = new Set(USERS.map(vmOf));
const isHonest = (vm: string) => HONEST.has(vm);

onNats('rule 9 on NATS: a storm of disturbances', () => {
  test(
    `stops no process, and leaves each VM at its undisturbed site, after ${STORM_MS / 1000} s`,
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
  const hostileRequests = hostile(world, { seed: SEED, random: seededRandom(SEED + 4) }, () => over);
  try {
    // The storm begins after the first moves.
    await vi.waitFor(() => expect(movesOf(world)).toBeGreaterThan(0), { timeout: 60_000, interval: 200 });
    await storm.rage(STORM_MS);
  } finally {
    over = true;
  }
  const [answers] = await Promise.all([hostileRequests, ...feeders]);
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
  expect(completed, 'enough VMs moved').toBeGreaterThan(10);
  expect(answers.faults).toEqual([]);
  expect(accepted(answers.byStatus), 'some hostile requests were accepted').toBeGreaterThan(10);
  expect(world.endedAlone, 'only killed processes ended').toEqual([]);
  await allReady(world);
  assertRules3To6(world, isHonest);
  expect(await homesOf(storm), 'as without the storm').toEqual(homes);
  const running = await world.running();
  expect([...HONEST].map((vm) => [vm, running.get(vm)]).sort(), 'rules 1 and 2').toEqual([...homes].sort());
  expect(assertRule7(world, isHonest), 'moves of the policy').toBeGreaterThan(0);
  await assertPseudonyms(world);
  expect(await world.stop(), 'all processes end in order').toEqual([]);
  assertLogsNameNoUser(world);
}

/** The present sites. */
async function sitesOf(world: CrashWorld): Promise<SiteConfig[]> {
  const response = await fetch(`${await world.urlOf('migrator-1')}/v1/sites`);
  const { sites } = (await response.json()) as { sites: (SiteConfig & { by: unknown })[] };
  return sites.map(({ by: _, ...site }) => site);
}

/** The homes of the users' VMs. */
async function homesOf(storm: Storm): Promise<Map<string, string>> {
  const vms = await storm.vms();
  return new Map([...vms].filter(([vm]) => isHonest(vm)).map(([vm, { home }]) => [vm, home]));
}

/** @throws with the explanations of the VMs at other sites */
async function allCame(storm: Storm, homes: ReadonlyMap<string, string>): Promise<void> {
  const now = await homesOf(storm);
  const elsewhere = [...homes].filter(([vm, home]) => now.get(vm) !== home).map(([vm]) => vm);
  expect(await Promise.all(elsewhere.map((vm) => storm.explain(vm))), 'as without the storm').toEqual([]);
}

/** Reports the same positions of the users until their VMs have arrived and no move is under way. */
async function calm(
  world: CrashWorld,
  storm: Storm,
  end: {
    readonly places: ReadonlyMap<string, { readonly lat: number; readonly lon: number }>;
    readonly homes: ReadonlyMap<string, string>;
  },
): Promise<void> {
  let settled = false;
  const report = async () => {
    while (!settled) {
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
    settled = true;
    await reports;
  }
}

async function allReady(world: CrashWorld): Promise<void> {
  const setAside: { key: string; code: string }[] = [];
  for (const name of PROCESSES) {
    const url = await world.urlOf(name);
    expect((await fetch(`${url}/readyz`)).status, `${name} is ready`).toBe(200);
    const answer = (await (await fetch(`${url}/v1/set-aside`)).json()) as { setAside: typeof setAside };
    setAside.push(...answer.setAside);
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
