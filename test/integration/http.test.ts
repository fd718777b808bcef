import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createHttp, type HttpSurface } from '#services/runtime/http.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import type { HttpConfig } from '#shared/config/schema.ts';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { createLog } from '#shared/log.ts';

const TOKEN = 'a token of more than sixteen';
let surface: HttpSurface | undefined;
let logged: string[];

afterEach(async () => {
  await surface?.close();
  surface = undefined;
});

/** Starts a server on a free port, with routes of a service. @returns a function that sends it a request */
async function serve(config: Partial<HttpConfig> = {}, addRoutes: (surface: HttpSurface) => void = () => {}) {
  logged = [];
  const log = createLog('trace', { write: (line) => void logged.push(line) });
  surface = await createHttp({ config: { ...DEFAULT_CONFIG.http, port: 0, ...config }, log });
  addRoutes(surface);
  const { url } = await surface.listen();
  return async (path: string, options?: RequestInit) => {
    const response = await fetch(url + path, options);
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  };
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const echo = ({ app }: HttpSurface) => {
  app.get('/v1/thing', { config: { access: 'read' } }, async () => ({ it: 'works' }));
  app.post('/v1/thing', { config: { access: 'read' } }, async ({ body }) => ({ body }));
  app.get('/open', { config: { access: 'open' } }, async () => ({ it: 'works' }));
};

test('the log names the address that the server is bound to', async () => {
  await serve({ host: '0.0.0.0', token: TOKEN });
  const listening = logged.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'listening');
  expect(listening.url).toMatch(/^http:\/\/0\.0\.0\.0:\d+$/);
});

describe('a method that a path does not have', () => {
  test.each(['DELETE', 'PATCH', 'OPTIONS', 'PUT'])('%s gets 405 and the methods that exist', async (method) => {
    await serve({ token: TOKEN }, echo);
    const { port } = surface!.app.server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/v1/thing`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET, HEAD, POST');
    expect(await response.json()).toMatchObject({ error: { code: 'METHOD_NOT_ALLOWED' } });
  });

  test('an unknown path gets 404, and a path with a wrong escape gets 400', async () => {
    const ask = await serve({}, echo);
    expect(await ask('/v1/things', { method: 'PUT' })).toMatchObject({
      status: 404,
      body: { error: { code: 'NOT_FOUND' } },
    });
    expect(await ask('/healthz/%ff')).toMatchObject({ status: 400, body: { error: { code: 'BAD_REQUEST' } } });
  });
});

describe('the token', () => {
  test('is necessary under /v1 only', async () => {
    const ask = await serve({ token: TOKEN }, echo);
    expect(await ask('/open')).toMatchObject({ status: 200 });
    expect(await ask('/healthz')).toMatchObject({ status: 200 });
    expect(await ask('/v1/thing', bearer(TOKEN))).toEqual({ status: 200, body: { it: 'works' } });
    expect(await ask('/v1/thing')).toEqual({
      status: 401,
      body: { error: { code: 'UNAUTHORIZED', message: expect.stringContaining('Authorization: Bearer') } },
    });
  });

  test.each(['', 'a', `${TOKEN}x`, TOKEN.slice(0, -1), TOKEN.toUpperCase()])('%j is refused', async (wrong) => {
    const ask = await serve({ token: TOKEN }, echo);
    expect((await ask('/v1/thing', bearer(wrong))).status).toBe(401);
    expect((await ask('/v1//thing', bearer(wrong))).status).not.toBe(200);
    expect((await ask('/%76%31/thing', bearer(wrong))).status).not.toBe(200);
    expect((await ask('/v1/thing', { ...bearer(wrong), method: 'HEAD' })).status).toBe(401);
  });

  test('is not necessary if none is configured', async () => {
    const ask = await serve({}, echo);
    expect((await ask('/v1/thing')).status).toBe(200);
  });
});

describe('health', () => {
  test('a process is ready when all its services report that they are ready', async () => {
    let ready: boolean | string = 'waits for its partitions';
    const ask = await serve({ token: TOKEN }, ({ health }) => {
      health('placement', () => ready);
      health('monitor', () => true);
    });
    expect(await ask('/readyz/placement')).toEqual({
      status: 503,
      body: { service: 'placement', status: 'not ready', reason: 'waits for its partitions' },
    });
    expect(await ask('/readyz/monitor')).toEqual({ status: 200, body: { service: 'monitor', status: 'ready' } });
    expect((await ask('/readyz')).status).toBe(503);
    expect(await ask('/healthz')).toEqual({ status: 200, body: { status: 'ok', services: ['placement', 'monitor'] } });
    expect((await ask('/healthz/placement')).status).toBe(200);
    ready = false;
    expect((await ask('/readyz')).status).toBe(503);
    ready = true;
    expect((await ask('/readyz')).status).toBe(200);
    expect((await ask('/readyz/nobody')).status).toBe(404);
    expect((await ask('/healthz/nobody')).status).toBe(404);
  });
});

describe('limits', () => {
  test('a client with too many requests gets 429, and /healthz still answers', async () => {
    const ask = await serve({ requestsPerMinute: 3, token: TOKEN }, echo);
    for (let i = 0; i < 3; i++) expect((await ask('/v1/thing', bearer(TOKEN))).status).toBe(200);
    expect(await ask('/v1/thing', bearer(TOKEN))).toEqual({
      status: 429,
      body: { error: { code: 'RATE_LIMITED', message: expect.stringContaining('requestsPerMinute') } },
    });
    expect((await ask('/healthz')).status).toBe(200);
  });

  test('a request with a wrong token counts against the limit', async () => {
    const ask = await serve({ requestsPerMinute: 2, token: TOKEN }, echo);
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push((await ask('/v1/thing', bearer(`guess ${i}`))).status);
    expect(answers).toEqual([401, 401, 429]);
  });

  test('a body that is too large gets 413', async () => {
    const ask = await serve({ bodyLimitBytes: 100 }, echo);
    const post = (size: number) =>
      ask('/v1/thing', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: `"${'x'.repeat(size - 2)}"`,
      });
    expect((await post(100)).status).toBe(200);
    expect(await post(101)).toMatchObject({ status: 413, body: { error: { code: 'BODY_TOO_LARGE' } } });
  });
});

describe('errors', () => {
  test.each<[ErrorCode, number]>([
    ['EVENT_INVALID', 400],
    ['VM_UNKNOWN', 404],
    ['SITE_UNKNOWN', 404],
    ['MIGRATION_UNKNOWN', 404],
    ['MOVE_REFUSED', 409],
    ['MIGRATION_PAST_CANCEL', 409],
    ['STORE_CONFLICT', 409],
    ['BUS_OVERLOADED', 503],
    ['SERVICE_STOPPED', 503],
  ])('%s becomes status %i with the code and the message', async (code, status) => {
    const ask = await serve({}, ({ app }) => {
      app.get('/v1/fail', { config: { access: 'read' } }, async () => {
        throw new TagalongError(code, 'what is wrong');
      });
    });
    expect(await ask('/v1/fail')).toEqual({ status, body: { error: { code, message: 'what is wrong' } } });
  });

  test.each<[ErrorCode, string]>([
    ['BUS_UNREACHABLE', 'the bus'],
    ['STORE_UNREACHABLE', 'the store'],
  ])('%s becomes 503; the address of the server is in the log only', async (code, what) => {
    const ask = await serve({}, ({ app }) => {
      app.get('/v1/fail', { config: { access: 'read' } }, async () => {
        throw new TagalongError(code, 'connect ECONNREFUSED 10.1.2.3');
      });
    });
    const message = `${what} cannot be reached at the moment; send it again later`;
    expect(await ask('/v1/fail')).toEqual({ status: 503, body: { error: { code, message } } });
    expect(logged.join('')).toContain('10.1.2.3');
  });

  test('an unexpected error becomes 500 without internals, and the log has them without personal data', async () => {
    const ask = await serve({}, ({ app }) => {
      app.get('/v1/fail/:user', { config: { access: 'read' } }, async () => {
        throw new Error('connect ECONNREFUSED 10.1.2.3');
      });
    });
    expect(await ask('/v1/fail/ann?near=41.4993')).toEqual({
      status: 500,
      body: { error: { code: 'INTERNAL', message: 'the server failed; its log says why' } },
    });
    const text = logged.join('');
    expect(text).toContain('ECONNREFUSED');
    expect(text).toContain('/v1/fail/:user');
    for (const personal of ['ann', '41.4993']) expect(text).not.toContain(personal);
  });

  test('of the router have the same form, and do not repeat the path', async () => {
    const ask = await serve({}, ({ app }) => {
      app.get('/v1/users/:user', { config: { access: 'read' } }, async () => ({}));
    });
    const long = `ann${'x'.repeat(2000)}`;
    for (const [path, status, code] of [
      [`/v1/users/${long}`, 414, 'PATH_TOO_LONG'],
      ['/v1/users/ann%ff', 400, 'BAD_REQUEST'],
    ] as const) {
      const answer = await ask(path);
      expect(answer).toEqual({ status, body: { error: { code, message: expect.any(String) } } });
      expect(JSON.stringify(answer)).not.toContain('ann');
    }
    expect(logged.join('')).not.toContain('ann');
  });

  test('and all other answers tell browsers not to guess their type', async () => {
    const url = await serve({ token: TOKEN }, echo).then(() => surface!.app.listeningOrigin);
    const paths = ['/open', '/healthz', '/nowhere', '/v1/thing', '/healthz/%ff', `/healthz/${'x'.repeat(2000)}`];
    for (const path of paths) {
      const { headers } = await fetch(url + path);
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
    }
  });

  test('unknown paths, other media types and broken JSON get errors of the same form', async () => {
    const ask = await serve({}, echo);
    const post = (type: string, body: string) =>
      ask('/v1/thing', { method: 'POST', headers: { 'content-type': type }, body });
    expect(await ask('/nowhere')).toMatchObject({ status: 404, body: { error: { code: 'NOT_FOUND' } } });
    expect(await post('text/csv', 'a,b')).toMatchObject({
      status: 415,
      body: { error: { code: 'MEDIA_TYPE_UNSUPPORTED' } },
    });
    expect(await post('application/json', '{"a":')).toMatchObject({
      status: 400,
      body: { error: { code: 'BAD_REQUEST' } },
    });
    expect(await post('application/x-ndjson', '{"a":1}\n{')).toEqual({
      status: 200,
      body: { body: { text: '{"a":1}\n{' } },
    });
  });
});
