/** All services in one process run the shipped scenario, on a clock at full speed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPacedSystem, type PacedSystem } from '#services/process/paced-system.ts';
import { replay } from '#services/replay/replay.ts';
import { simulatedMachines } from '#services/sites/hosts/simulated.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { type PacedClock, pacedClock } from '#shared/clock/paced.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { type Event, TERMINAL_TYPES } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { northeastCorridor } from '#simulations/scenarios/northeast-corridor.ts';

const TOKEN = 'a token of sixteen or more';
const PLAYED_MS = 75 * 60_000;
const scenario = northeastCorridor(1);

let system: PacedSystem;
let clock: PacedClock;
let url: string;
let machines: ReturnType<typeof simulatedMachines>;
const seen: Event[] = [];

const of = <T extends Event['type']>(type: T) => seen.filter((e): e is Extract<Event, { type: T }> => e.type === type);

/** Advances the clock, and runs everything that is due. */
const pass = (ms: number) => clock.paceTo(clock.now() + ms, () => system.settle());

async function request(method: string, path: string, body?: unknown, token: string | undefined = TOKEN) {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  await system.settle();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

beforeAll(async () => {
  const { startMs, sites, vms } = scenario;
  const config: Config = parseConfig(JSON.stringify({ http: { port: 0, token: TOKEN }, sites, vms }), 'corridor');
  clock = pacedClock(startMs, Number.POSITIVE_INFINITY);
  const bus = memoryBus();
  await bus.subscribe(
    { group: 'test', types: ['placement.decided.v1', 'migration.accepted.v1', ...TERMINAL_TYPES, 'event.rejected.v1'] },
    async (batch) => {
      seen.push(...batch.map(({ event }) => event));
    },
  );
  machines = simulatedMachines(config, clock);
  system = createPacedSystem({ config, clock, bus, store: memoryStore(), log: createLog('silent'), machines });
  await system.start();
  ({ url } = await system.listen());
  const fixes = scenario.fixes();
  const played = [...fixes].filter(({ atMs }) => atMs <= startMs + PLAYED_MS);
  await replay({ clock, ingest: system.ingest, settle: () => system.settle() }, [played]);
}, 120_000);

afterAll(() => system.stop());

describe('an hour and a quarter of the shipped scenario', () => {
  test('VMs follow their users, and every accepted move ends or is under way', async () => {
    await pass(120_000);
    const moves = of('placement.decided.v1').filter(({ data }) => data.verdict === 'move');
    expect(moves.length).toBeGreaterThan(10);
    const accepted = of('migration.accepted.v1').map(({ data }) => data.migration);
    const ended = TERMINAL_TYPES.flatMap((type) => of(type).map(({ data }) => data.migration));
    const underWay = system.migrator.status().map(({ migration }) => migration);
    expect([...ended, ...underWay].toSorted()).toEqual(accepted.toSorted());
    expect(of('migration.completed.v1').length).toBeGreaterThan(10);
    expect(of('event.rejected.v1')).toEqual([]);
  });

  test('every VM runs once, at its home in the status of placement', () => {
    const { vms } = system.placement.status();
    expect(vms).toHaveLength(scenario.vms.length);
    for (const { vm, home, migration } of vms) {
      if (migration === null) expect(machines.hypervisor.running(vm)).toEqual([home]);
    }
  });

  test('the metrics count the events', async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const sum = (series: RegExp) =>
      text.split('\n').reduce((total, row) => total + (series.test(row) ? Number(row.split(' ').at(-1)) : 0), 0);
    expect(sum(/^tagalong_migrations_total\{.*outcome="completed"/)).toBe(of('migration.completed.v1').length);
    expect(sum(/^tagalong_decisions_total\{.*verdict="move"/)).toBe(
      of('placement.decided.v1').filter(({ data }) => data.verdict === 'move').length,
    );
    expect(sum(/^tagalong_ingest_locations_total\{outcome="accepted"/)).toBe(system.ingest.counts.accepted);
    expect(sum(/^tagalong_placement_vms\{/)).toBe(scenario.vms.length);
    const underWay = system.migrator.status();
    expect(sum(/^tagalong_migrator_migrations\{/)).toBe(underWay.length);
    const oldestMs = Math.min(clock.now(), ...underWay.map(({ acceptedAtMs }) => acceptedAtMs));
    expect(sum(/^tagalong_migrator_oldest_migration_seconds /)).toBeCloseTo((clock.now() - oldestMs) / 1000);
    expect(text).not.toMatch(/user-\d/);
  });
});

test('an impossible jump of a user is accepted by ingest, and ignored by placement', async () => {
  const { vm, sessions } = scenario.vms[0]!;
  const explanation = async () => (await request('GET', `/v1/vms/${vm}/explanation`)).body;
  const teleported = () => system.placement.counts.get('teleport') ?? 0;
  // Halifax is 650 km from Boston. The position is one second later.
  const jump = () => request('POST', '/v1/locations', { user: sessions[0]!.user, lat: 44.65, lon: -63.57 });
  const here = scenario.sites[0]!;
  await request('POST', '/v1/locations', { user: sessions[0]!.user, lat: here.lat, lon: here.lon });
  await pass(1_000);
  const [before, counted] = [await explanation(), teleported()];
  expect((await jump()).body).toEqual({ accepted: 1, events: 1, implausible: {}, unattached: 0 });
  await pass(1);
  expect(teleported()).toBe(counted + 1);
  const ranked = ({ home, candidates }: { home: string; candidates: { site: string }[] }) => [
    home,
    ...candidates.map(({ site }) => site),
  ];
  expect(ranked(await explanation())).toEqual(ranked(before));
});

describe('an operator, over HTTP', () => {
  test('is refused without the token', async () => {
    for (const token of ['', 'another token of sixteen']) {
      expect((await request('GET', '/v1/status', undefined, token)).status).toBe(401);
    }
  });

  test('sees sites, VMs and reasons', async () => {
    const { status, body } = await request('GET', '/v1/status');
    expect(status).toBe(200);
    expect(body.policy).toBe('tagalong');
    expect(body.sites.map(({ site }: { site: string }) => site)).toEqual(
      scenario.sites.map(({ site }) => site).toSorted(),
    );
    const { vm, home } = body.vms[0];
    const explanation = await request('GET', `/v1/vms/${vm}/explanation`);
    expect(explanation.body).toMatchObject({ vm, home, policy: 'tagalong' });
    expect(explanation.body.candidates.map(({ site }: { site: string }) => site)).toContain(home);
    expect((await request('GET', '/v1/vms/nobody/explanation')).status).toBe(404);
  });

  test('moves a VM, cancels the move, and moves the VM again', async () => {
    const still = system.placement.status().vms.find(({ state, home }) => state !== 'moving' && home !== 'providence')!;
    const where = `/v1/vms/${still.vm}/moves`;
    expect((await request('POST', where, { to: still.home })).status).toBe(409);
    expect((await request('POST', where, { to: 'atlantis' })).status).toBe(404);
    expect((await request('POST', where, {})).status).toBe(400);
    expect((await request('POST', where, { to: 'providence' })).status).toBe(202);
    const { migrations } = (await request('GET', '/v1/migrations')).body;
    const { migration } = migrations.find(({ vm }: { vm: string }) => vm === still.vm);
    expect((await request('DELETE', `/v1/migrations/${migration}`)).status).toBe(202);
    await pass(1_000);
    expect(of('migration.cancelled.v1').at(-1)?.data).toMatchObject({ migration, by: 'operator' });
    expect((await request('DELETE', `/v1/migrations/${migration}`)).status).toBe(404);
    expect((await request('POST', where, { to: 'providence' })).status).toBe(202);
    await pass(600_000);
    expect(of('migration.completed.v1').some(({ data }) => data.vm === still.vm && data.to === 'providence')).toBe(
      true,
    );
  });

  test('drains a site', async () => {
    expect((await request('POST', '/v1/sites/baltimore/drain', { draining: 'yes' })).status).toBe(400);
    expect(machines.hypervisor.vmsAt('baltimore').length).toBeGreaterThan(0);
    expect((await request('POST', '/v1/sites/baltimore/drain', { draining: true, confirm: 'baltimore' })).status).toBe(
      202,
    );
    await pass(1_800_000);
    expect(machines.hypervisor.vmsAt('baltimore')).toEqual([]);
  });

  test('can drain the last open site by force only', async () => {
    const drain = (site: string, body: object) =>
      request('POST', `/v1/sites/${site}/drain`, { confirm: site, ...body });
    const names = scenario.sites.map(({ site }) => site);
    const last = names.at(-1)!;
    for (const site of names.slice(0, -1)) expect((await drain(site, { draining: true })).status, site).toBe(202);
    const refused = await drain(last, { draining: true });
    expect([refused.status, refused.body.error.code]).toEqual([409, 'LAST_OPEN_SITE']);
    expect((await drain(last, { draining: true, force: 'yes' })).status).toBe(400);
    expect((await drain(last, { draining: true, force: true })).status).toBe(202);
    // A repeated order is accepted.
    expect((await drain(last, { draining: true })).status).toBe(202);
    for (const site of names) expect((await drain(site, { draining: false })).status, site).toBe(202);
  });
});
