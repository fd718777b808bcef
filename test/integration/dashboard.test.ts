import { createServer, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createRelay } from '#services/dashboard/relay.ts';
import { createViewers, type Viewers } from '#services/dashboard/viewers.ts';
import type { Line } from '#services/dashboard/wire.ts';
import { createHttp, type HttpSurface } from '#services/runtime/http.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { PATIENTLY } from '../patience.ts';

const TOKEN = 'a token of more than sixteen';
const log = createLog('silent');
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(register: (surface: HttpSurface) => void): Promise<string> {
  const surface = await createHttp({ config: { ...DEFAULT_CONFIG.http, port: 0, token: TOKEN }, log });
  register(surface);
  closing.push(() => surface.close());
  return (await surface.listen()).url;
}

describe('a viewer', () => {
  /** Serves a picture and then changes of this size. `linesMade` counts the lines that were made. */
  async function viewersOf(bytes: number): Promise<{ url: string; viewers: Viewers; linesMade: () => number }> {
    let linesMade = 0;
    const line = (kind: 'picture' | 'changes'): Line =>
      ({ kind, atMs: ++linesMade, fromMs: 0, gone: ['x'.repeat(kind === 'changes' ? bytes : 1)] }) as unknown as Line;
    const viewers = createViewers({ picture: () => line('picture'), changes: () => line('changes') });
    const server = createServer(
      (_, response: ServerResponse) =>
        void viewers.add(response, { users: true, names: true, by: 'a', hasSignedIn: true }),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(
      () => server.close(),
      () => viewers.close(),
    );
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, viewers, linesMade: () => linesMade };
  }
  const kindsIn = (text: string) =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as Line).kind);

  test('gets the picture first, then changes at most four times a second', async () => {
    const { url, viewers } = await viewersOf(10);
    const begunMs = performance.now();
    const reader = (await fetch(url)).body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (kindsIn(text).length < 5) text += (await reader.read()).value;
    expect(kindsIn(text).slice(0, 5)).toEqual(['picture', 'changes', 'changes', 'changes', 'changes']);
    expect(performance.now() - begunMs).toBeGreaterThan(4 * 200);
    await reader.cancel();
    await vi.waitFor(() => expect(viewers.size).toBe(0), PATIENTLY);
  });

  test('that does not read gets nothing more; when it reads again, it gets the picture', async () => {
    const { url, linesMade } = await viewersOf(4_000_000);
    const reader = (await fetch(url)).body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value!;
    // Twelve frames pass while nobody reads. A dashboard that sent them all would send twelve lines.
    const before = linesMade();
    await vi.waitFor(() => expect(linesMade() - before).toBeGreaterThan(12), PATIENTLY);
    while (kindsIn(text.slice(0, text.lastIndexOf('\n') + 1)).filter((kind) => kind === 'picture').length < 2) {
      text += (await reader.read()).value;
    }
    const kinds = kindsIn(text.slice(0, text.lastIndexOf('\n') + 1));
    expect(kinds.length).toBeLessThan(linesMade() - 6);
    await reader.cancel();
  });
});

describe('a dashboard that runs alone', () => {
  test('forwards a request to the service that answers it, and refuses one without the token', async () => {
    const standby = await serve(({ app }) => {
      app.delete('/v1/migrations/:id', { config: { access: 'read' } }, async (_, reply) =>
        reply.code(421).send({ error: { code: 'HELD_ELSEWHERE' } }),
      );
    });
    const placement = await serve(({ app }) => {
      app.post('/v1/vms/:vm/moves', { config: { access: 'read' } }, async ({ body, params }, reply) =>
        reply.code(202).send({ ...(params as object), got: body }),
      );
      app.get('/v1/vms/:vm/explanation', { config: { access: 'read' } }, async () => ({ vm: 'v', home: 'west' }));
    });
    const onDuty = await serve(({ app }) => {
      app.delete('/v1/migrations/:id', { config: { access: 'read' } }, async (_, reply) =>
        reply.code(202).send({ taken: 'back' }),
      );
    });
    const relay = createRelay(['http://127.0.0.1:1', standby, `${placement}/`, onDuty], () => TOKEN);
    const url = await serve((surface) => relay.registerHttp(surface));
    const ask = async (method: string, path: string, body?: object, token = TOKEN) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const response = await fetch(url + path, {
        method,
        headers: body ? headers : { authorization: headers.authorization },
        ...(body && { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: await response.json() };
    };
    expect(await ask('POST', '/v1/vms/v/moves', { to: 'east' })).toEqual({
      status: 202,
      body: { vm: 'v', got: { to: 'east' } },
    });
    expect(await ask('DELETE', '/v1/migrations/v:1')).toEqual({ status: 202, body: { taken: 'back' } });
    expect(await relay.explain('v')).toEqual({ vm: 'v', home: 'west' });
    expect(await ask('POST', '/v1/vms/v/moves', { to: 'east' }, 'not the token, but as long')).toMatchObject({
      status: 401,
    });
    expect((await ask('GET', '/v1/nothing')).status).toBe(404);
    expect((await fetch(`${url}/v1/vms/v/moves`, { method: 'POST' })).status).toBe(401);
  });

  test.each([
    '/v1/%2e%2e/metrics',
    '/v1/x/%2E%2E/%2e%2e/metrics',
    '/v1/..%2fmetrics',
    '/v1/%2e./readyz',
    '/v1/..\\metrics',
  ])('asks the services for nothing outside of /v1, also for %s', async (path) => {
    const asked: string[] = [];
    const services = await serve(({ app }) => {
      app.addHook('onRequest', async ({ url }) => void asked.push(url));
      for (const own of ['/metrics', '/readyz/own']) app.get(own, { config: { access: 'open' } }, async () => ({}));
    });
    const url = await serve((surface) => createRelay([services], () => TOKEN).registerHttp(surface));
    // `fetch` would resolve the path itself.
    const status = await new Promise<number>((resolve, reject) => {
      const headers = { authorization: `Bearer ${TOKEN}` };
      request(url, { path, headers }, (response) => resolve(response.resume().statusCode!))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(404);
    expect(asked.filter((one) => !one.startsWith('/v1/'))).toEqual([]);
  });

  test('fails with SERVER_UNREACHABLE where the services refuse its token, or the number of its requests', async () => {
    const url = await serve(({ app }) => {
      const few = { config: { access: 'read', rateLimit: { max: 1 } } } as const;
      app.get('/v1/vms/:vm/explanation', few, async () => ({ vm: 'v', home: 'west' }));
    });
    const error = { code: 'SERVER_UNREACHABLE', message: expect.stringContaining('admin') };
    await expect(createRelay([url], () => undefined).explain('v')).rejects.toMatchObject(error);
    await expect(createRelay([url], () => TOKEN).explain('v')).rejects.toMatchObject(error);
    await expect(createRelay([url], () => TOKEN).explain('v')).rejects.toMatchObject(error);
  });

  test('names the missing setting if it has no services', async () => {
    await expect(createRelay([], () => TOKEN).explain('v')).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      message: expect.stringContaining('dashboard.services'),
    });
  });
});
