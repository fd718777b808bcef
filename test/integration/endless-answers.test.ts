/** Servers answer without end, byte by byte, never, or with nonsense. The client gets an error in time. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { table } from '#deploy/cli/output/table.ts';
import { ask } from '#deploy/cli/run/client.ts';
import { moveLine } from '#deploy/cli/run/live.ts';
import { createRelay } from '#services/dashboard/relay.ts';
import { createHttp } from '#services/runtime/http.ts';
import { createWebhooks } from '#services/webhook/service.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { DEFAULT_CONFIG, parseConfig } from '#shared/config/load.ts';
import { envelop } from '#shared/events/index.ts';
import { fetchAnswer } from '#shared/http/answer.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { PATIENTLY } from '../patience.ts';
import { orderMove } from '../placement-order.ts';
import { decided } from '../unit/shared/migration/world.ts';

const MEBIBYTE = 'a'.repeat(2 ** 20);
/** The answers of a server to a request. Each stops when the connection closes. */
const LIES = {
  endless: (response: ServerResponse) => {
    response.writeHead(200);
    const more = () => {
      while (!response.destroyed && response.write(MEBIBYTE));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  },
  slow: (response: ServerResponse) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('{'), 20);
    response.on('close', () => clearInterval(timer));
  },
  silent: () => {},
  'huge headers': (response: ServerResponse) => {
    response.socket!.write(`HTTP/1.1 200 OK\r\n${`x-${MEBIBYTE}: 1\r\n`.repeat(4)}`);
  },
  garbage: (response: ServerResponse) => void response.end('\u0000<html>'),
  'no HTTP': (response: ServerResponse) => void response.socket!.end('SSH-2.0-OpenSSH\r\n'),
};
type Lie = keyof typeof LIES;

let lie: Lie | ((response: ServerResponse) => void);
let server: Server;
let url: string;
let taken: number;
beforeEach(async () => {
  taken = 0;
  server = createServer((_request, response) => {
    taken++;
    response.on('error', () => {});
    (typeof lie === 'string' ? LIES[lie] : lie)(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

describe('an answer', () => {
  const limits = { mostBytes: 4 * 2 ** 20, withinMs: 1_000 };

  test.each(['endless', 'slow', 'silent', 'huge headers', 'no HTTP'] as const)(
    'that is %s fails in time',
    async (how) => {
      lie = how;
      const beganMs = performance.now();
      const error = await fetchAnswer(url, {}, limits).catch((e) => e);
      expect(error).toBeInstanceOf(Error);
      if (how === 'endless') expect(error.code).toBe('ANSWER_TOO_LONG');
      if (how === 'slow' || how === 'silent') expect(error.name).toBe('TimeoutError');
      expect(performance.now() - beganMs).toBeLessThan(10_000);
    },
  );

  test('that is too long closes its connection', async () => {
    const closed = Promise.withResolvers<void>();
    lie = (response) => {
      response.on('close', closed.resolve);
      LIES.endless(response);
    };
    await expect(fetchAnswer(url, {}, limits)).rejects.toMatchObject({ code: 'ANSWER_TOO_LONG' });
    await closed.promise;
  });

  test('within the limits is read completely', async () => {
    lie = (response) => void response.writeHead(409).end('Größe');
    expect(await fetchAnswer(url, {}, limits)).toEqual({ status: 409, text: 'Größe' });
  });
});

test('the dashboard’s relay fails with SERVER_UNREACHABLE', async () => {
  const relay = createRelay([url], () => undefined);
  for (const how of ['endless', 'garbage', 'no HTTP'] as const) {
    lie = how;
    await expect(relay.explain('v1')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  }
});

describe('a token of an issuer that does not answer is refused in time, and other requests are served:', () => {
  const token = 'a token of more than sixteen';
  const oidc = () => `oidc: { issuer: "${url}", audience: x, roles: [{ claim: a, value: b, role: admin }] }`;
  const withServer = async (test: (status: (token: string) => Promise<number>) => Promise<void>) => {
    const config = parseConfig(`http: { port: 0, token: "${token}", ${oidc()} }`, 'c');
    const http = await createHttp({ config: config.http, log: createLog('silent') });
    http.app.get('/v1/x', { config: { access: 'read' } }, async () => ({}));
    const own = await http.listen();
    try {
      await test(
        async (bearer) => (await fetch(`${own.url}/v1/x`, { headers: { authorization: `Bearer ${bearer}` } })).status,
      );
    } finally {
      await http.close();
    }
  };

  test.each(['endless', 'garbage', 'huge headers', 'silent'] as const)('%s', (how) =>
    withServer(async (status) => {
      lie = how;
      taken = 0;
      const refused = status('eyJ.eyJ.x');
      await vi.waitFor(() => expect(taken).toBe(1), PATIENTLY);
      expect(await status(token)).toBe(200);
      expect(await refused).toBe(503);
    }),
  );

  test('endless keys', () =>
    withServer(async (status) => {
      const keys = { issuer: url, jwks_uri: `${url}/keys` };
      lie = (response) => (taken === 1 ? void response.end(JSON.stringify(keys)) : LIES.endless(response));
      taken = 0;
      const unknown = `${Buffer.from('{"alg":"ES256","kid":"k"}').toString('base64url')}.e30.x`;
      expect(await status(unknown)).toBe(503);
      expect(taken).toBe(2);
    }));
});

test('the webhook service does not read the answer of a webhook', async () => {
  const bus = memoryBus();
  const store = memoryStore();
  const config = { ...DEFAULT_CONFIG, webhooks: [{ name: 'w', url }] };
  const webhooks = createWebhooks({ bus, store, clock: realClock(), config, log: createLog('silent') });
  await webhooks.start();
  await orderMove(bus, store, decided('v1', 1, { from: 'east', to: 'west' }));
  lie = 'endless';
  const data = { migration: 'v1:1', vm: 'v1', from: 'east', to: 'west', atMs: 1_700_000_000_000 };
  await bus.publish([1, 2, 3].map((i) => envelop({ type: 'migration.accepted.v1', data }, `${i}`, '/test')));
  await vi.waitFor(() => expect(taken).toBe(3), PATIENTLY);
  await sleep(50);
  await webhooks.stop();
  await bus.close();
});

describe('the command line', () => {
  test('prints the error of a server in one line without control characters', async () => {
    const message = 'x\u001b]0;pwned\u0007\u001b[31mRED\n\rtagalong: fine\u202e';
    lie = (response) => void response.writeHead(409).end(JSON.stringify({ error: { code: 'GUEST_REFUSED', message } }));
    const error = (await ask({ url }, 'GET', '/v1/x').catch((e) => e)) as Error & { code: string };
    expect(error.code).toBe('GUEST_REFUSED');
    expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    lie = (response) => void response.end(JSON.stringify({ reason: message }));
    expect((await ask<{ reason: string }>({ url }, 'GET', '/v1/x')).reason).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test.each(['garbage', 'no HTTP', 'huge headers'] as const)('fails with SERVER_UNREACHABLE on %s', async (how) => {
    lie = how;
    await expect(ask({ url }, 'GET', '/v1/x')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  });

  test('removes control sequences of the terminal from a line and a table', () => {
    const move = { vm: 'v1', from: 'a', to: 'b', atMs: 0, outcome: 'failed', reason: 'better-site', figures: {} };
    const line = moveLine({ ...move, because: 'x\x1b]0;pwned\x07\x1b[2J\nfake line' } as never);
    expect(line).not.toMatch(/\p{Cc}/u);
    const lines = table([{ head: 'because' }], [['x\x1b[2J\x1b[1A\r\nfake']]).split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toBe('x [2J [1A fake');
    expect(table([{ head: '' }], [['\x1b[32m✓\x1b[39m']])).toContain('\x1b[32m✓\x1b[39m');
  });
});
