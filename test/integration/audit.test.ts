/** The audit over HTTP, and the names of those who order moves: who sees them, and who does not. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createSystem, type System } from '#services/process/system.ts';
import { auditQuota, type LeftOut } from '#services/runtime/audit-quota.ts';
import { createAuditTrail } from '#services/runtime/audit-trail.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Event } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { PATIENTLY } from '../patience.ts';

const ADMIN = 'the token of the first admin';
const tokenOf = (name: string) => `the token of ${name} here`;
let system: System | undefined;
let url: string;
let logged: Record<string, unknown>[];
let events: Event[];
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

/** Starts all services with two sites and one VM, whose user never moves. */
async function serve(): Promise<void> {
  [logged, events] = [[], []];
  const log = createLog('info', { write: (line) => void logged.push(JSON.parse(line)) });
  const sites = ['east', 'west'].map((site) => ({
    ...{ site, lat: site === 'east' ? 42 : 43, lon: -71, slots: 4 },
    uplinks: [{ provider: 'isp', rateBps: 1e6 }],
  }));
  const tokens = [
    { name: 'maria', role: 'operator' },
    { name: 'otto', role: 'operator' },
    { name: 'wall', role: 'viewer' },
    { name: 'phone', role: 'device', user: 'ann' },
  ].map((one) => ({ ...one, token: tokenOf(one.name) }));
  const spec = { ramBytes: 1e9, dirtyRateBps: 1e3, workingSetBytes: 1e4 };
  const vms = [{ vm: 'desk', home: 'east', spec, sessions: [{ user: 'ann' }] }];
  const http = { port: 0, token: ADMIN, tokens };
  const config = parseConfig(JSON.stringify({ http, sites, vms, heartbeatMs: 200 }), 'test');
  const bus = memoryBus();
  system = createSystem({ config, clock: realClock(), bus, store: memoryStore(), log });
  const types = ['placement.decided.v1', 'migration.accepted.v1', 'migration.cancelled.v1'] as const;
  await bus.subscribe({ group: 'test', types }, async (batch) => void events.push(...batch.map(({ event }) => event)));
  ({ url } = await system.listen());
  await system.start();
  await system.declare();
  await vi.waitFor(() => expect(system!.placement.status().vms).toHaveLength(1), PATIENTLY);
}

async function ask(token: string | undefined, method: string, path: string, body?: object) {
  const headers = {
    ...(token && { authorization: `Bearer ${token}` }),
    ...(body && { 'content-type': 'application/json' }),
  };
  const response = await fetch(url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text), text };
}

const records = async (query = '') => (await ask(ADMIN, 'GET', `/v1/audit${query}`)).body.records;

describe('the audit', () => {
  test('has each order and each refusal, as the log has them, and admins alone read it', async () => {
    await serve();
    const issued = await ask(ADMIN, 'POST', '/v1/tokens', { role: 'device', user: 'bob', expiresInMs: 60_000 });
    const { id, token } = issued.body;
    await ask(tokenOf('maria'), 'PUT', '/v1/automation', { paused: true });
    await ask(tokenOf('maria'), 'POST', '/v1/sites/west/drain', { draining: true, force: true });
    await ask(tokenOf('phone'), 'POST', '/v1/vms/desk/moves', { to: 'west' });
    await ask('a guessed token of sixteen', 'DELETE', '/v1/vms/desk');
    await ask(tokenOf('phone'), 'POST', '/v1/locations', { user: 'ann', lat: 41.4993, lon: -81.6944 });
    await vi.waitFor(async () => expect(await records()).toHaveLength(5), PATIENTLY);
    const all = await records();
    const maria = { who: 'maria', role: 'operator', from: '127.0.0.1', outcome: 'done' };
    const drain = {
      what: 'POST /v1/sites/:site/drain',
      on: { site: 'west' },
      with: { draining: 'true', force: 'true' },
    };
    expect(all).toMatchObject([
      { who: 'http.token', role: 'admin', what: 'POST /v1/tokens', on: { id }, with: { role: 'device' }, status: 201 },
      { ...maria, what: 'PUT /v1/automation', on: {}, with: { paused: 'true' }, status: 202 },
      { ...maria, ...drain, status: 202 },
      { who: 'phone', what: 'POST /v1/vms/:vm/moves', on: { vm: 'desk' }, outcome: 'refused', status: 403 },
      { who: 'nobody', role: 'none', what: 'DELETE /v1/vms/:vm', on: { vm: 'desk' }, outcome: 'refused', status: 401 },
    ]);
    // The log has the same records, under the same ids.
    const lines = logged.filter(({ service, msg }) => service === 'audit' && msg === 'audit');
    expect(lines).toMatchObject(all.map(({ atMs: _, ...record }: { atMs: number }) => record));
    expect(new Set(all.map(({ request }: { request: string }) => request)).size).toBe(5);
    const { text } = await ask(ADMIN, 'GET', '/v1/audit');
    for (const secret of ['41.4993', '81.6944', 'ann', 'bob', token, ADMIN]) expect(text).not.toContain(secret);

    expect(await records('?who=maria')).toHaveLength(2);
    expect(await records('?on=desk&who=phone')).toHaveLength(1);
    expect(await records(`?on=${id}`)).toHaveLength(1);
    expect(await records(`?sinceMs=${Date.now() + 60_000}`)).toEqual([]);
    for (const name of ['maria', 'wall', 'phone'])
      expect((await ask(tokenOf(name), 'GET', '/v1/audit')).status).toBe(403);
    expect((await ask(ADMIN, 'GET', '/v1/audit?sinceMs=yesterday')).status).toBe(400);
  });

  test('and the metrics count refused requests', async () => {
    await serve();
    await ask(undefined, 'GET', '/v1/status');
    await ask(tokenOf('phone'), 'GET', '/v1/status');
    await ask(tokenOf('phone'), 'GET', '/v1/status');
    const { text } = await fetch(`${url}/metrics`).then(async (response) => ({ text: await response.text() }));
    expect(text).toMatch(/^tagalong_http_refused_total\{status="401"\} 1$/m);
    expect(text).toMatch(/^tagalong_http_refused_total\{status="403"\} 2$/m);
    expect(text).toMatch(/^tagalong_http_refused_total\{status="429"\} 0$/m);
    expect(text).toMatch(/^tagalong_audit_records_lost_total 0$/m);
  });

  test('has a bounded number of records a minute, and says of whom it left out how many', () => {
    const told: LeftOut[] = [];
    const quota = auditQuota((left) => told.push(left));
    const may = (who: string, outcome: LeftOut['outcome'], times: number) =>
      Array.from({ length: times }, () => quota.mayAdd({ who, role: 'operator', outcome })).filter(Boolean).length;
    expect(may('nobody', 'refused', 1_000)).toBe(60);
    expect(may('phone', 'refused', 1_000)).toBe(60);
    // However many callers there are.
    let others = 0;
    for (let i = 0; i < 1_000; i++) others += may(`person-${i}`, 'refused', 1);
    expect(others).toBe(180);
    // Refusals leave the orders of others alone.
    expect(may('maria', 'done', 600)).toBe(600);
    expect(may('maria', 'done', 1)).toBe(0);
    expect(may('maria', 'failed', 2)).toBe(0);
    quota.close();
    const role = 'operator';
    // Those who have no record at all are counted together, so that their number is bounded, too.
    expect(told).toEqual([
      { who: 'nobody', role, outcome: 'refused', leftOut: 940 },
      { who: 'phone', role, outcome: 'refused', leftOut: 940 },
      { who: 'several', role: 'none', outcome: 'refused', leftOut: 820 },
      { who: 'maria', role, outcome: 'done', leftOut: 1 },
      { who: 'maria', role, outcome: 'failed', leftOut: 2 },
    ]);
    expect(may('nobody', 'refused', 1)).toBe(1);
    quota.close();
    expect(told).toHaveLength(5);
  });

  test('names who gave the orders that it left out', async () => {
    const bus = memoryBus();
    const trail = createAuditTrail({ bus, clock: realClock(), log: createLog('silent') });
    const order = { request: 'r', who: 'maria', role: 'operator', from: '127.0.0.1', what: 'PUT /v1/automation' };
    for (let i = 0; i < 700; i++) trail.add({ ...order, on: {}, with: {}, outcome: 'done', status: 202 });
    await trail.stop();
    const all = await bus.audited({ sinceMs: 0, most: 10_000, fits: () => true });
    expect(all).toHaveLength(601);
    expect(all.at(-1)!.data).toMatchObject({ who: 'maria', role: 'operator', outcome: 'done', leftOut: 100 });
  });
});

describe('the name of who ordered a move', () => {
  const decided = () => events.filter(({ type }) => type === 'placement.decided.v1').map(({ data }) => data);

  test('is in its events, in status and explanation, for people who have signed in', async () => {
    await serve();
    expect((await ask(tokenOf('maria'), 'POST', '/v1/vms/desk/moves', { to: 'west' })).status).toBe(202);
    const migrations = async () => (await ask(tokenOf('wall'), 'GET', '/v1/migrations')).body.migrations;
    await vi.waitFor(
      async () => expect(await migrations()).toMatchObject([{ vm: 'desk', orderedBy: 'maria' }]),
      PATIENTLY,
    );
    expect(decided()).toMatchObject([{ vm: 'desk', to: 'west', source: 'operator', orderedBy: 'maria' }]);
    const accepted = () => events.find(({ type }) => type === 'migration.accepted.v1');
    expect(accepted()?.data).toMatchObject({ vm: 'desk', orderedBy: 'maria' });
    for (const name of ['wall', 'otto']) {
      const { body } = await ask(tokenOf(name), 'GET', '/v1/status');
      expect(body.vms).toMatchObject([{ vm: 'desk', movingTo: 'west', orderedBy: 'maria' }]);
      expect((await ask(tokenOf(name), 'GET', '/v1/vms/desk/explanation')).body.orderedBy).toBe('maria');
      const past = await ask(tokenOf(name), 'GET', `/v1/dashboard/past?atMs=${Date.now()}`);
      expect(past.body.decisions).toMatchObject([{ vm: 'desk', orderedBy: 'maria' }]);
      expect(past.body.moves).toMatchObject([{ vm: 'desk', orderedBy: 'maria' }]);
    }
    // People who have not signed in, and devices, see the move but no name.
    const open = await ask(undefined, 'GET', `/dashboard/past?atMs=${Date.now()}`);
    expect(open.body.moves).toMatchObject([{ vm: 'desk', to: 'west' }]);
    expect(open.text).not.toContain('maria');
    const why = await ask(undefined, 'GET', '/dashboard/vms/desk/explanation');
    expect(why.body).toMatchObject({ vm: 'desk', state: 'moving' });
    expect(why.text).not.toContain('maria');
    expect((await ask(tokenOf('phone'), 'GET', '/v1/vms/desk')).text).not.toContain('maria');

    expect((await ask(tokenOf('otto'), 'DELETE', '/v1/migrations/desk')).status).toBe(202);
    const cancelled = () => events.find(({ type }) => type === 'migration.cancelled.v1');
    await vi.waitFor(() => expect(cancelled()).toBeDefined(), PATIENTLY);
    expect(cancelled()?.data).toMatchObject({ by: 'operator', orderedBy: 'maria', cancelledBy: 'otto' });
    const explained = async () => (await ask(tokenOf('wall'), 'GET', '/v1/vms/desk/explanation')).body;
    const lastMove = { to: 'west', ended: 'cancelled', orderedBy: 'maria', cancelledBy: 'otto' };
    await vi.waitFor(async () => expect(await explained()).toMatchObject({ lastMove }), PATIENTLY);
    expect((await ask(undefined, 'GET', '/dashboard/vms/desk/explanation')).text).not.toMatch(/maria|otto/);
  });

  test('is also in moves that a drain causes, and beside a drain and a pause', async () => {
    await serve();
    await ask(tokenOf('otto'), 'PUT', '/v1/automation', { paused: true });
    await ask(tokenOf('maria'), 'POST', '/v1/sites/east/drain', { draining: true, confirm: 'east' });
    const status = async () => (await ask(tokenOf('wall'), 'GET', '/v1/status')).body;
    await vi.waitFor(async () => expect((await status()).vms[0].orderedBy).toBe('maria'), PATIENTLY);
    const { pausedBy, sites } = await status();
    expect({ pausedBy, sites }).toMatchObject({
      pausedBy: 'otto',
      sites: [
        { site: 'east', draining: true, drainedBy: 'maria' },
        { site: 'west', draining: false, drainedBy: null },
      ],
    });
    expect(decided()).toMatchObject([{ source: 'evacuation', from: 'east', to: 'west', orderedBy: 'maria' }]);
  });
});
