/** Issued tokens: what the store has of them, how long they count, and how soon each process refuses a revoked one. */
import { afterEach, expect, test } from 'vitest';
import { createHttp, type HttpSurface } from '#services/runtime/http.ts';
import { createTokens, FRESH_MS, TOKEN_RECORD } from '#services/runtime/tokens.ts';
import { registerTokens } from '#services/runtime/tokens-http.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import { TagalongError } from '#shared/errors.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';

const ADMIN = 'a token of more than sixteen';
const DAY_MS = 86_400_000;
const surfaces: HttpSurface[] = [];
afterEach(async () => {
  for (const surface of surfaces.splice(0)) await surface.close();
});

const clock = virtualClock(Date.UTC(2026, 2, 2));

/** Starts a process on this store. */
async function serve(store: Store, log = createLog('silent')) {
  const { http } = parseConfig(`http: { port: 0, token: "${ADMIN}" }`, 'test');
  const tokens = createTokens(store, clock);
  const pseudonymOf = (user: string) => `pseudonym-of-${user}`;
  const surface = await createHttp({ config: http, log, tokens, pseudonymOf });
  surfaces.push(surface);
  registerTokens(surface, { tokens, pseudonymOf });
  surface.app.get('/v1/thing', { config: { access: 'read' } }, async ({ caller }) => caller);
  surface.app.post('/v1/report', { config: { access: 'report' } }, async ({ caller }) => caller);
  const { url } = await surface.listen();
  return async (method: string, path: string, token: string, body?: object) => {
    const type = body && { 'content-type': 'application/json' };
    const headers = { authorization: `Bearer ${token}`, ...type };
    const response = await fetch(url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
}

const viewer = { role: 'viewer', expiresInMs: 30 * DAY_MS };

test('an issued token has its role, its user and its name', async () => {
  const ask = await serve(memoryStore());
  const issued = await ask('POST', '/v1/tokens', ADMIN, { role: 'device', user: 'alice', expiresInMs: DAY_MS });
  expect(issued.status).toBe(201);
  const { token, id } = issued.body;
  expect(token).toMatch(/^tgl_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
  expect(await ask('POST', '/v1/report', token)).toEqual({
    status: 200,
    body: { name: `token ${id}`, role: 'device', user: 'pseudonym-of-alice' },
  });
  expect((await ask('GET', '/v1/thing', token)).status).toBe(403);
  expect((await ask('GET', '/v1/tokens', token)).status).toBe(403);
});

test('the store and the list have no secret and no id of a user', async () => {
  const store = memoryStore();
  const ask = await serve(store);
  const { body } = await ask('POST', '/v1/tokens', ADMIN, { role: 'device', user: 'alice', expiresInMs: DAY_MS });
  // It may contain the character that separates the parts.
  const secret = (body.token as string).slice('tgl_0123456789abcdef_'.length);
  const listed = await ask('GET', '/v1/tokens', ADMIN);
  expect(listed.body.tokens).toMatchObject([{ id: body.id, role: 'device', by: 'http.token' }]);
  const stored = await store.list('token/');
  expect(stored).toHaveLength(1);
  expect(TOKEN_RECORD.read(stored[0]!.value)).toMatchObject({ role: 'device', user: 'pseudonym-of-alice' });
  for (const text of [JSON.stringify(stored), JSON.stringify(listed.body)]) {
    expect(text).not.toContain(secret);
    expect(text).not.toMatch(/"alice"/);
  }
});

test('every process refuses a revoked token within two seconds, without a restart', async () => {
  const store = memoryStore();
  const [first, second] = [await serve(store), await serve(store)];
  const { body } = await first('POST', '/v1/tokens', ADMIN, viewer);
  for (const ask of [first, second]) expect((await ask('GET', '/v1/thing', body.token)).status).toBe(200);
  expect((await second('DELETE', `/v1/tokens/${body.id}`, ADMIN)).status).toBe(204);
  expect((await second('GET', '/v1/thing', body.token)).status).toBe(401);
  clock.advanceTo(clock.now() + FRESH_MS);
  expect((await first('GET', '/v1/thing', body.token)).status).toBe(401);
  expect(FRESH_MS).toBeLessThanOrEqual(2_000);
  expect(await first('DELETE', `/v1/tokens/${body.id}`, ADMIN)).toMatchObject({
    status: 404,
    body: { error: { code: 'TOKEN_UNKNOWN' } },
  });
});

test('a token that was just issued counts in every process', async () => {
  const store = memoryStore();
  const [first, second] = [await serve(store), await serve(store)];
  const { body } = await first('POST', '/v1/tokens', ADMIN, viewer);
  expect((await second('GET', '/v1/thing', body.token)).status).toBe(200);
});

test('a token does not count after its end', async () => {
  const ask = await serve(memoryStore());
  const { body } = await ask('POST', '/v1/tokens', ADMIN, { ...viewer, expiresInMs: 5_000 });
  clock.advanceTo(clock.now() + 4_999);
  expect((await ask('GET', '/v1/thing', body.token)).status).toBe(200);
  clock.advanceTo(clock.now() + 1);
  expect((await ask('GET', '/v1/thing', body.token)).status).toBe(401);
});

test.each(['', 'x', 'tgl_', `tgl_${'0'.repeat(16)}_${'A'.repeat(43)}`])('%j is no token', async (shown) => {
  const ask = await serve(memoryStore());
  expect((await ask('GET', '/v1/thing', shown)).status).toBe(401);
});

test('the right id with a wrong secret is refused', async () => {
  const ask = await serve(memoryStore());
  const { body } = await ask('POST', '/v1/tokens', ADMIN, viewer);
  const last = body.token.at(-1) === 'A' ? 'E' : 'A';
  expect((await ask('GET', '/v1/thing', body.token.slice(0, -1) + last)).status).toBe(401);
});

test.each([
  { role: 'device', expiresInMs: 1 },
  { role: 'operator', user: 'alice', expiresInMs: 1 },
  { role: 'root', expiresInMs: 1 },
  { role: 'viewer' },
  { role: 'viewer', expiresInMs: 0 },
  { role: 'viewer', expiresInMs: 1e15 },
])('%j is refused', async (body) => {
  const ask = await serve(memoryStore());
  expect(await ask('POST', '/v1/tokens', ADMIN, body)).toMatchObject({
    status: 400,
    body: { error: { code: 'EVENT_INVALID' } },
  });
});

test('without its store a process admits no issued token, and says so', async () => {
  const store = memoryStore();
  const { body } = await (await serve(store))('POST', '/v1/tokens', ADMIN, viewer);
  const gone = { ...store, get: () => Promise.reject(new TagalongError('STORE_UNREACHABLE', 'gone')) } as Store;
  const ask = await serve(gone);
  expect(await ask('GET', '/v1/thing', body.token)).toMatchObject({
    status: 503,
    body: { error: { code: 'STORE_UNREACHABLE' } },
  });
  expect((await ask('GET', '/v1/thing', ADMIN)).status).toBe(200);
});

test('revoking by the whole token revokes it, and no log and no answer has its secret', async () => {
  const logged: string[] = [];
  const ask = await serve(memoryStore(), createLog('info', { write: (line) => void logged.push(line) }));
  const { token } = (await ask('POST', '/v1/tokens', ADMIN, viewer)).body;
  const secret = token.slice('tgl_0123456789abcdef_'.length);
  expect((await ask('DELETE', `/v1/tokens/${token}`, ADMIN)).status).toBe(204);
  expect((await ask('GET', '/v1/thing', token)).status).toBe(401);
  const again = await ask('DELETE', `/v1/tokens/${token}`, ADMIN);
  const inText = await ask('DELETE', `/v1/tokens/${encodeURIComponent(`my token ${token}`)}`, ADMIN);
  for (const { status, body } of [again, inText]) {
    expect([status, body.error.code]).toEqual([404, 'TOKEN_UNKNOWN']);
    expect(JSON.stringify(body)).not.toContain(secret.slice(0, 20));
  }
  await expect.poll(() => logged.filter((line) => line.includes('DELETE')).length).toBe(3);
  expect(logged.join('')).not.toContain(secret.slice(0, 20));
});
