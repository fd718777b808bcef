/** Requests that pages of others cause, limits of one caller, trusted proxies, streams that end with their token, and the audit. */
import { request } from 'node:http';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createSystem, type System } from '#services/process/system.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { PATIENTLY } from '../patience.ts';

const TOKEN = 'a token of more than sixteen';
let system: System | undefined;
let logged: string[];
afterEach(async () => {
  await system?.stop();
  system = undefined;
});

async function serve(http: object = {}): Promise<{ url: string; port: number }> {
  logged = [];
  const log = createLog('info', { write: (line) => void logged.push(line) });
  const sites = ['east', 'west'].map((site) => ({
    ...{ site, lat: 42, lon: -71, slots: 4, uplinks: [{ provider: 'isp', rateBps: 1e8 }] },
  }));
  const config = parseConfig(JSON.stringify({ http: { port: 0, ...http }, sites }), 'test');
  system = createSystem({ config, clock: realClock(), bus: memoryBus(), store: memoryStore(), log });
  await system.start();
  return system.listen();
}

/** Sends a request with headers that `fetch` does not let a program set. */
function send(port: number, method: string, path: string, headers: Record<string, string>, body?: string) {
  return new Promise<{ status: number; code: string | undefined }>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => {
        const code = text.startsWith('{') ? JSON.parse(text).error?.code : undefined;
        resolve({ status: response.statusCode!, code });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const json = { 'content-type': 'application/json' };
const pause = '{"paused":true}';

describe('an open server', () => {
  test.each(['evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'localhost.evil.example', '%%'])(
    'refuses the name %s',
    async (host) => {
      const { port } = await serve();
      expect(await send(port, 'PUT', '/v1/automation', { ...json, host }, pause)).toEqual({
        status: 403,
        code: 'HOST_REFUSED',
      });
      expect(await send(port, 'GET', '/dashboard/past?atMs=0', { host })).toEqual({
        status: 403,
        code: 'HOST_REFUSED',
      });
    },
  );

  test.each(['127.0.0.1', 'localhost:1234', '[::1]:80', '10.0.0.7'])('accepts the name %s', async (host) => {
    const { port } = await serve();
    expect((await send(port, 'PUT', '/v1/automation', { ...json, host }, pause)).status).toBe(202);
  });

  test.each([
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' },
  ] as Record<string, string>[])('refuses an order with %j', async (headers) => {
    const { port } = await serve();
    const order = send(port, 'PUT', '/v1/automation', { ...json, ...headers }, pause);
    expect(await order).toEqual({ status: 403, code: 'ORIGIN_REFUSED' });
  });

  test('accepts an order of its own page, a link on another page, and a program', async () => {
    const { port } = await serve();
    const own = { origin: `http://127.0.0.1:${port}` };
    for (const headers of [own, { ...own, 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }, {}]) {
      expect(
        (await send(port, 'PUT', '/v1/automation', { ...json, ...headers } as Record<string, string>, pause)).status,
      ).toBe(202);
    }
    const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect((await send(port, 'GET', '/', link)).status).toBe(200);
    expect((await send(port, 'GET', '/dashboard/live', { 'sec-fetch-site': 'cross-site' })).code).toBe(
      'ORIGIN_REFUSED',
    );
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''])(
    'takes no body of the type "%s", which a foreign page may send without asking',
    async (type) => {
      const { port } = await serve();
      const headers = { ...(type && { 'content-type': type }), 'content-length': '41' };
      for (const path of ['/v1/locations', '/v1/interruptions', '/v1/owntracks']) {
        const answer = await send(port, 'POST', path, headers, '{"user":"alice","lat":40.7401,"lon":-74.0}');
        expect(answer).toEqual({ status: 415, code: 'MEDIA_TYPE_UNSUPPORTED' });
      }
    },
  );
});

test('with http.hosts a server accepts these names only, and their pages behind a proxy', async () => {
  const { port } = await serve({ token: TOKEN, hosts: ['edge.example'] });
  const headers = { ...json, authorization: `Bearer ${TOKEN}` };
  const status = async (more: Record<string, string>) =>
    (await send(port, 'PUT', '/v1/automation', { ...headers, ...more }, pause)).status;
  expect(await status({ host: 'edge.example' })).toBe(202);
  expect(await status({ host: 'EDGE.example:443' })).toBe(202);
  expect(await status({ host: `127.0.0.1:${port}`, origin: 'https://edge.example' })).toBe(202);
  // Another process may use a name of its network; a foreign page has no token, and open routes check none.
  expect(await status({ host: 'other.example' })).toBe(202);
  expect((await send(port, 'GET', '/metrics', { host: 'other.example' })).status).toBe(200);
  const refused = { status: 403, code: 'HOST_REFUSED' };
  expect(await send(port, 'PUT', '/v1/automation', { ...json, host: 'other.example' }, pause)).toEqual(refused);
  const made = { host: 'other.example', authorization: 'Bearer made up' };
  expect(await send(port, 'GET', '/dashboard/past?atMs=0', made)).toEqual(refused);
  expect(await status({ host: 'edge.example', origin: 'https://other.example' })).toBe(403);
});

test('a caller of many addresses has one limit by its token; a trusted proxy names the addresses', async () => {
  const named = 'the token of one viewer';
  const tokens = [{ name: 'viewer', role: 'viewer', token: named }];
  const { port } = await serve({ token: TOKEN, tokens, requestsPerMinute: 4, trustedProxies: ['127.0.0.0/8'] });
  const headers = (i: number, token = named) => ({
    authorization: `Bearer ${token}`,
    'x-forwarded-for': `192.0.2.${i}`,
  });
  const statuses: number[] = [];
  for (let i = 0; i < 6; i++) statuses.push((await send(port, 'GET', '/v1/sites', headers(i))).status);
  expect(statuses).toEqual([200, 200, 200, 200, 429, 429]);
  // Phones may share http.token: then only their addresses count.
  for (let i = 0; i < 6; i++) expect((await send(port, 'GET', '/v1/sites', headers(10 + i, TOKEN))).status).toBe(200);
  const anonymous: number[] = [];
  for (let i = 0; i < 6; i++) {
    anonymous.push((await send(port, 'GET', '/dashboard/settings', { 'x-forwarded-for': '198.51.100.1' })).status);
  }
  expect(anonymous).toEqual([200, 200, 200, 200, 429, 429]);
  expect((await send(port, 'GET', '/dashboard/settings', { 'x-forwarded-for': '198.51.100.2' })).status).toBe(200);
});

test('without a trusted proxy a client cannot choose its address', async () => {
  const { port } = await serve({ requestsPerMinute: 2 });
  const statuses: number[] = [];
  for (let i = 0; i < 3; i++) {
    statuses.push((await send(port, 'GET', '/dashboard/settings', { 'x-forwarded-for': `192.0.2.${i}` })).status);
  }
  expect(statuses).toEqual([200, 200, 429]);
});

test('explanations for people who have not signed in have a tenth of the limit', async () => {
  const { port } = await serve({ token: TOKEN, requestsPerMinute: 30 });
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) statuses.push((await send(port, 'GET', '/dashboard/vms/x/explanation', {})).status);
  expect(statuses).toEqual([404, 404, 404, 429, 429]);
  expect((await send(port, 'GET', '/dashboard/settings', {})).status).toBe(200);
});

describe('live streams', () => {
  const open = (url: string, path: string, token?: string, stop?: AbortSignal) =>
    fetch(url + path, { ...(stop && { signal: stop }), headers: token ? { authorization: `Bearer ${token}` } : {} });

  test('end with their token, and not before', { timeout: 60_000 }, async () => {
    const { url } = await serve({ token: TOKEN });
    const body = JSON.stringify({ role: 'viewer', expiresInMs: 3_600_000 });
    const headers = { ...json, authorization: `Bearer ${TOKEN}` };
    const { token, id } = (await (await fetch(`${url}/v1/tokens`, { method: 'POST', headers, body })).json()) as Record<
      string,
      string
    >;
    const [revoked, other] = [
      await open(url, '/v1/dashboard/live', token),
      await open(url, '/v1/dashboard/live', TOKEN),
    ];
    let hasEnded = false;
    const ended = revoked.text().then(() => (hasEnded = true));
    const reader = other.body!.getReader();
    const untilMs = performance.now() + 5_000;
    while (performance.now() < untilMs) await reader.read();
    expect(hasEnded).toBe(false);
    await fetch(`${url}/v1/tokens/${id}`, { method: 'DELETE', headers: { authorization: `Bearer ${TOKEN}` } });
    await ended;
    expect((await reader.read()).done).toBe(false);
    await reader.cancel();
  });

  test('of people who have not signed in leave places for those who have', { timeout: 60_000 }, async () => {
    const { url } = await serve({ token: TOKEN, trustedProxies: ['127.0.0.1'] });
    const stop = new AbortController();
    const statuses: number[] = [];
    for (let i = 0; i < 110; i++) {
      const headers = { 'x-forwarded-for': `192.0.2.${i % 55}` };
      statuses.push((await fetch(`${url}/dashboard/live`, { headers, signal: stop.signal })).status);
    }
    expect(statuses.filter((status) => status === 200)).toHaveLength(60);
    expect((await open(url, '/v1/dashboard/live', TOKEN, stop.signal)).status).toBe(200);
    stop.abort();
  });

  test('of one address are bounded', { timeout: 60_000 }, async () => {
    const { url } = await serve({ token: TOKEN });
    const stop = new AbortController();
    const statuses: number[] = [];
    for (let i = 0; i < 30; i++) statuses.push((await open(url, '/dashboard/live', undefined, stop.signal)).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(25);
    stop.abort();
  });
});

describe('the audit', () => {
  const audit = () =>
    logged.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ service }) => service === 'audit');

  test('has one line for each order and each refusal, and none for reports and reads', async () => {
    const phone = 'the token of a phone of ann';
    const { port } = await serve({
      token: TOKEN,
      tokens: [{ name: 'phone', role: 'device', user: 'ann', token: phone }],
    });
    const as = (token: string) => ({ ...json, authorization: `Bearer ${token}` });
    await send(port, 'GET', '/v1/status', as(TOKEN));
    await send(port, 'POST', '/v1/locations', as(phone), '{"user":"ann","lat":41.4993,"lon":-81.6944}');
    await send(port, 'POST', '/v1/sites/east/drain', as(TOKEN), '{"draining":true,"confirm":"east"}');
    await send(port, 'POST', '/v1/sites/nowhere/drain', as(TOKEN), '{"draining":true}');
    await send(port, 'DELETE', '/v1/vms/desk/sessions/ann', { authorization: `Bearer ${TOKEN}` });
    await send(port, 'POST', '/v1/sites/east/drain', as(phone), '{"draining":true}');
    await send(port, 'POST', '/v1/locations', as(phone), '{"user":"bob","lat":41.4993,"lon":-81.6944}');
    await send(port, 'PUT', '/v1/automation', as('a guessed token of sixteen'), pause);
    await vi.waitFor(() => expect(audit()).toHaveLength(6), PATIENTLY);
    const admin = { who: 'http.token', role: 'admin', from: '127.0.0.1' };
    const device = { who: 'phone', role: 'device', from: '127.0.0.1' };
    expect(audit()).toMatchObject([
      { ...admin, what: 'POST /v1/sites/:site/drain', on: { site: 'east' }, outcome: 'done', status: 202 },
      { ...admin, what: 'POST /v1/sites/:site/drain', on: { site: 'nowhere' }, outcome: 'failed', status: 404 },
      { ...admin, what: 'DELETE /v1/vms/:vm/sessions/:user', on: { vm: 'desk' }, outcome: 'done' },
      { ...device, what: 'POST /v1/sites/:site/drain', on: { site: 'east' }, outcome: 'refused', status: 403 },
      { ...device, what: 'POST /v1/locations', on: {}, outcome: 'refused', status: 403 },
      { who: 'nobody', role: 'none', what: 'PUT /v1/automation', outcome: 'refused', status: 401 },
    ]);
    expect(logged.join('')).not.toMatch(/41\.4993|81\.6944|"ann"|"bob"/);
    expect(logged.join('')).not.toContain(TOKEN);
  });

  test('has at most 50 lines a second about callers without a name, and counts the others', async () => {
    const { port } = await serve({ token: TOKEN, hosts: ['edge.example'] });
    const fromMs = performance.now();
    const orders = Array.from({ length: 130 }, () => send(port, 'GET', '/', { host: 'other.example' }));
    expect((await Promise.all(orders)).every(({ code }) => code === 'HOST_REFUSED')).toBe(true);
    const tookMs = performance.now() - fromMs;
    const leftOut = () => audit().reduce((sum, line) => sum + Number(line.leftOut ?? 0), 0);
    const told = () => audit().filter(({ outcome }) => outcome === 'refused').length;
    await vi.waitFor(() => expect(told() + leftOut()).toBe(130), PATIENTLY);
    expect(told()).toBeLessThanOrEqual(50 * (1 + Math.ceil(tookMs / 1_000)));
    // With a name there is no limit.
    const headers = { ...json, authorization: `Bearer ${TOKEN}` };
    await send(port, 'POST', '/v1/sites/nowhere/drain', headers, '{"draining":true}');
    await vi.waitFor(() => expect(audit().at(-1)).toMatchObject({ who: 'http.token' }), PATIENTLY);
  });
});
