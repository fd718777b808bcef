/** Every route of every service admits the roles that its access names, and refuses all others. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createParts } from '#services/process/parts.ts';
import { createSystem, type System } from '#services/process/system.ts';
import { createHttp, type HttpSurface } from '#services/runtime/http.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { ACCESS, type Access, ROLES, type Role } from '#shared/roles.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { SetAside } from '#shared/store/set-aside.ts';

const log = createLog('silent');
const tokenOf = (caller: string) => `the token of the ${caller}`;
const config = parseConfig(
  JSON.stringify({
    http: {
      port: 0,
      requestsPerMinute: 1_000_000,
      token: tokenOf('first admin'),
      tokens: ROLES.map((role) => ({
        name: role,
        role,
        token: tokenOf(role),
        ...(role === 'device' && { user: 'ann' }),
      })),
    },
    sites: ['east', 'west'].map((site) => ({
      ...{ site, lat: 42, lon: -71, slots: 4, uplinks: [{ provider: 'isp', rateBps: 1e8 }] },
    })),
    vms: ['own', 'other', 'spare'].map((vm) => ({
      ...{ vm, home: 'east', spec: { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e6 } },
      sessions: [{ user: vm === 'own' ? 'ann' : 'bob' }],
    })),
  }),
  'test',
);

/** All routes, by the access that each must declare. A new route belongs into this table. */
const TABLE: Readonly<Record<Access, readonly string[]>> = {
  open: [
    'GET /',
    'GET /dashboard/decisions/:decision/explanation',
    'GET /dashboard/live',
    'GET /dashboard/past',
    'GET /dashboard/settings',
    'GET /dashboard/vms/:vm/explanation',
    'GET /follow-me',
    'GET /metrics',
    'GET /openapi.json',
  ],
  'signed-in': ['GET /v1/vms/:vm'],
  report: [
    'GET /v1/users/:user/export',
    'POST /v1/camara/geofencing',
    'POST /v1/cloudevents',
    'POST /v1/gtfs-realtime',
    'POST /v1/interruptions',
    'POST /v1/locations',
    'POST /v1/mec013',
    'POST /v1/owntracks',
  ],
  read: [
    'GET /v1/caller',
    'GET /v1/dashboard/decisions/:decision/explanation',
    'GET /v1/dashboard/live',
    'GET /v1/dashboard/past',
    'GET /v1/migrations',
    'GET /v1/set-aside',
    'GET /v1/sites',
    'GET /v1/status',
    'GET /v1/stays',
    'GET /v1/vms/:vm/explanation',
  ],
  operate: [
    'DELETE /v1/migrations/:migration',
    'POST /v1/sites/:site/drain',
    'POST /v1/vms/:vm/moves',
    'PUT /v1/automation',
  ],
  administer: [
    'DELETE /v1/sites/:site',
    'DELETE /v1/tokens/:id',
    'DELETE /v1/users/:user',
    'DELETE /v1/vms/:vm',
    'DELETE /v1/vms/:vm/sessions/:user',
    'GET /v1/audit',
    'GET /v1/tokens',
    'POST /v1/tokens',
    'PUT /v1/sites/:site',
    'PUT /v1/vms/:vm',
    'PUT /v1/vms/:vm/sessions/:user',
  ],
};

/** Remembers the routes that are registered from now on, as `ACCESS METHOD PATH`. */
function remember({ app }: HttpSurface): string[] {
  const routes: string[] = [];
  app.addHook('onRoute', ({ method, path, config }) => {
    for (const one of [method].flat()) routes.push(`${(config as { access?: Access }).access} ${one} ${path}`);
  });
  return routes;
}

let system: System;
let surface: HttpSurface;
let url: string;
let routes: string[];

beforeAll(async () => {
  system = createSystem({ config, clock: realClock(), bus: memoryBus(), store: memoryStore(), log });
  surface = await createHttp({ config: config.http, log });
  routes = remember(surface);
  system.registerHttp(surface);
  await system.start();
  await system.declare();
  ({ url } = await surface.listen());
});
afterAll(async () => {
  await surface?.close();
  await system?.stop();
});

/** Sends a request without a body. @returns its status; the answer is not read, because a live stream has no end */
async function statusOf(method: string, path: string, token?: string, body?: object): Promise<number> {
  const stop = new AbortController();
  const headers = {
    ...(token && { authorization: `Bearer ${token}` }),
    ...(body && { 'content-type': 'application/json' }),
  };
  const init = { method, headers, signal: stop.signal, ...(body && { body: JSON.stringify(body) }) };
  const { status } = await fetch(url + path, init);
  stop.abort();
  return status;
}

test('every route is in the table, with its access', () => {
  const expected = Object.entries(TABLE).flatMap(([access, all]) => all.map((route) => `${access} ${route}`));
  const served = routes.filter((route) => !/ HEAD | GET \/assets\//.test(route));
  expect(served.toSorted()).toEqual(expected.toSorted());
  // The files of the pages, and the HEAD of each GET.
  for (const route of routes.filter((one) => !served.includes(one))) {
    const [access, , path] = route.split(' ') as [Access, string, string];
    if (path.startsWith('/assets/')) expect(access, route).toBe('open');
    else expect(TABLE[access], route).toContain(`GET ${path}`);
  }
});

test('a route that declares no access cannot be registered', async () => {
  const other = await createHttp({ config: config.http, log });
  expect(() => other.app.get('/v1/new', async () => ({}))).toThrow(/declares no access/);
  await other.close();
});

test('a dashboard alone passes on what it does not have itself, for every role', async () => {
  const [clock, bus, store] = [realClock(), memoryBus(), memoryStore()];
  const setAside = new SetAside({ log, clock });
  const parts = createParts(['dashboard'], { config, clock, bus, store, log, setAside, isAlone: true });
  const alone = await createHttp({ config: config.http, log });
  const own = remember(alone);
  parts.registerHttp(alone);
  await alone.close();
  await parts.stop();
  expect(own).toContain('signed-in GET /v1/*');
  expect(own.filter((route) => route.endsWith('/v1/*')).every((route) => route.startsWith('signed-in '))).toBe(true);
});

describe.each(Object.entries(TABLE) as [Access, readonly string[]][])('routes with the access %s', (access, all) => {
  const callers: readonly (readonly [string, string | undefined, Role | undefined])[] = [
    ['nobody', undefined, undefined],
    ['a wrong token', 'a token that nobody has', undefined],
    ...ROLES.map((role) => [role, tokenOf(role), role] as const),
    ['the token of http.token', tokenOf('first admin'), 'admin'],
  ];
  test.each(all)('%s', async (route) => {
    const [method, pattern] = route.split(' ') as [string, string];
    const path = pattern
      // A device exports its own user only.
      .replace(':user/export', 'ann/export')
      .replaceAll(/:(\w+)/g, (_, name) => (name === 'vm' ? 'spare' : 'nothing'));
    for (const [caller, token, role] of callers) {
      const status = await statusOf(method, path, token);
      const admits = access === 'open' || (role !== undefined && (ACCESS[access] as readonly Role[]).includes(role));
      const expected = admits ? 'admitted' : role === undefined ? 401 : 403;
      expect(status === 401 || status === 403 ? status : 'admitted', caller).toBe(expected);
      expect(status, caller).toBeLessThan(500);
    }
  });
});

describe('a device', () => {
  const device = tokenOf('device');
  const at = { lat: 42, lon: -71 };
  const tst = Math.floor(Date.now() / 1000);

  test('reports positions and gaps of its own user, and of nobody else', async () => {
    const gap = { vm: 'own', gapMs: 10 };
    for (const [user, status] of [
      ['ann', 202],
      ['bob', 403],
    ] as const) {
      expect(await statusOf('POST', '/v1/locations', device, { user, ...at })).toBe(status);
      expect(
        await statusOf('POST', '/v1/locations', device, [
          { user: 'ann', ...at },
          { user, ...at },
        ]),
      ).toBe(status);
      expect(await statusOf('POST', '/v1/interruptions', device, { user, ...gap })).toBe(status);
      const owntracks = { _type: 'location', ...at, tst, topic: `owntracks/${user}/phone` };
      expect(await statusOf('POST', '/v1/owntracks', device, owntracks)).toBe(status === 202 ? 200 : 403);
      const event = {
        specversion: '1.0',
        id: '1',
        source: '/phone',
        type: 'location.reported.v1',
        data: { user, ...at },
      };
      expect(await statusOf('POST', '/v1/cloudevents', device, event)).toBe(status);
    }
    expect(await statusOf('POST', '/v1/locations', tokenOf('admin'), { user: 'bob', ...at })).toBe(202);
  });

  test('exports its own user, and nobody else; only an admin erases', async () => {
    expect(await statusOf('GET', '/v1/users/ann/export', device)).toBe(200);
    expect(await statusOf('GET', '/v1/users/bob/export', device)).toBe(403);
    expect(await statusOf('DELETE', '/v1/users/ann', device)).toBe(403);
    for (const role of ['viewer', 'operator']) {
      expect(await statusOf('GET', '/v1/users/ann/export', tokenOf(role))).toBe(403);
      expect(await statusOf('DELETE', '/v1/users/ann', tokenOf(role))).toBe(403);
    }
    expect(await statusOf('GET', '/v1/users/bob/export', tokenOf('admin'))).toBe(200);
  });

  test('reads its own VM; another VM looks like an unknown one', async () => {
    expect(await statusOf('GET', '/v1/vms/own', device)).toBe(200);
    expect(await statusOf('GET', '/v1/vms/other', device)).toBe(404);
    expect(await statusOf('GET', '/v1/vms/nothing', device)).toBe(404);
    expect(await statusOf('GET', '/v1/vms/other', tokenOf('viewer'))).toBe(200);
  });
});
