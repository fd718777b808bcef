/** Limits of connections: nobody holds more than a share of them, and nobody holds one without sending a request. */
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { networkOf } from '#services/runtime/connections.ts';
import { createHttp, type HttpSurface } from '#services/runtime/http.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import type { HttpConfig } from '#shared/config/schema.ts';
import { createLog } from '#shared/log.ts';

let surface: HttpSurface | undefined;
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await surface?.close();
  surface = undefined;
});

async function serve(config: Partial<HttpConfig>): Promise<number> {
  surface = await createHttp({ config: { ...DEFAULT_CONFIG.http, port: 0, ...config }, log: createLog('silent') });
  surface.app.post('/thing', { config: { access: 'open' } }, async () => ({}));
  return (await surface.listen()).port;
}

/** Opens a connection, and sends a text on it. @returns what arrives until the server closes it, or has answered once */
function open(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    sockets.add(socket);
    socket.once('data', (data) => resolve(data.toString()));
    socket.once('close', () => resolve('closed'));
    // The server has closed the connection before it took the text.
    socket.once('error', ({ message }: Error) => (/ECONNRESET|EPIPE/.test(message) ? resolve('closed') : reject()));
  });
}

const REQUEST = 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n';

test('one address has a share of the connections, and gets it back', async () => {
  const port = await serve({ connectionsPerAddress: 3 });
  for (let i = 0; i < 3; i++) expect(await open(port, REQUEST)).toMatch(/^HTTP\/1\.1 200 /);
  expect(await open(port, REQUEST)).toBe('closed');
  const [first] = sockets;
  const ended = new Promise((resolve) => first!.once('close', resolve));
  first!.end();
  await ended;
  await expect.poll(() => open(port, REQUEST)).toMatch(/^HTTP\/1\.1 200 /);
});

test('the connections of a trusted proxy count towards all connections only', async () => {
  const port = await serve({ connectionsPerAddress: 1, connections: 2, trustedProxies: ['127.0.0.0/8'] });
  for (let i = 0; i < 2; i++) expect(await open(port, REQUEST)).toMatch(/^HTTP\/1\.1 200 /);
  expect(await open(port, REQUEST)).toBe('closed');
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['2001:db8:1:2::', '2001:db8:1:2'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['::1', '0:0:0:0'],
])('%s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test('a request that does not arrive ends its connection after 30 s', { timeout: 60_000 }, async () => {
  const port = await serve({});
  const fromMs = performance.now();
  const answers = await Promise.all([
    open(port, 'GET /healthz HTTP/1.1\r\nhost: loc'),
    open(
      port,
      'POST /thing HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{',
    ),
  ]);
  const tookMs = performance.now() - fromMs;
  for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 408 |^closed$/);
  expect(tookMs).toBeGreaterThan(25_000);
  // The server looks every five seconds. The rest is for a busy machine.
  expect(tookMs).toBeLessThan(50_000);
});
