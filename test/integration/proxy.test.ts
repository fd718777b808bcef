/** The edge proxy runs the real HAProxy. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePorts } from '#deploy/local/loopback.ts';
import { haproxyConfig, meansOf } from '#deploy/proxy/config.ts';
import { type Proxy as EdgeProxy, startProxy } from '#deploy/proxy/proxy.ts';
import { transportOf } from '#services/probe/transport.ts';
import { echoServer } from './echo.ts';
import { mptcpEcho } from './mptcp-echo.ts';
import { skipWithout } from './programs.ts';

const host = '127.0.0.1';
const closers: (() => unknown)[] = [];
let runDir: string;

beforeEach(async () => {
  runDir = await mkdtemp(join(tmpdir(), 'tagalong-proxy-'));
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await rm(runDir, { recursive: true });
});

/** Starts an echo service that puts this name before each answer. @returns its port */
async function named(name: string): Promise<number> {
  const echo = await echoServer();
  echo.damage((chunk) => Buffer.concat([Buffer.from(`${name}:`), chunk]));
  closers.push(() => echo.close());
  return echo.port;
}

async function proxyTo(serverPort: number): Promise<{ proxy: EdgeProxy; port: number }> {
  const port = (await freePorts(1))[0]!;
  const proxy = await startProxy({ listen: { host, port }, server: { host, port: serverPort }, runDir });
  closers.push(() => proxy.stop());
  return { proxy, port };
}

async function connect(port: number): Promise<Socket> {
  const socket = createConnection({ host, port, noDelay: true });
  closers.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function answer(socket: Socket, question: string): Promise<string> {
  socket.write(question);
  return String((await once(socket, 'data', { signal: AbortSignal.timeout(5000) }))[0]);
}

const why = skipWithout('haproxy', 'mptcpize', 'ss');
describe.skipIf(why)(`the edge proxy ${why ?? ''}`, () => {
  test('speaks MPTCP to the VM for a client that speaks TCP', async () => {
    const serverPort = await mptcpEcho();
    const { port } = await proxyTo(serverPort);
    const client = await connect(port);
    expect(await answer(client, 'hello')).toBe('hello');
    expect(await transportOf(client)).toMatchObject({ transport: 'tcp' });
    const seen = execFileSync('ss', ['-MniH', `sport = :${serverPort}`], { encoding: 'utf8' });
    expect(seen).toMatch(/^ESTAB/m);
    expect(seen).toContain('remote_key');
    expect(seen).not.toContain('fallback');
  });

  test('sends new connections to another site, and keeps existing ones', async () => {
    const [a, b] = [await named('a'), await named('b')];
    const { proxy, port } = await proxyTo(a);
    const old = await connect(port);
    expect(await answer(old, '1')).toBe('a:1');
    await proxy.pointTo(host, b);
    await proxy.pointTo(host, b);
    expect(await answer(await connect(port), '2')).toBe('b:2');
    expect(await answer(old, '3')).toBe('a:3');
    await proxy.pointTo(host, a);
    expect(await answer(await connect(port), '4')).toBe('a:4');
  });

  test.each([
    ['a name', 'localhost', 7],
    ['half an address', '10.1', 7],
    ['a command', '10.1.1.1; shutdown', 7],
    ['an invalid port', host, 65_536],
  ])('refuses %s as its destination', async (_what, to, toPort) => {
    const a = await named('a');
    const { proxy, port } = await proxyTo(a);
    await expect(proxy.pointTo(to, toPort)).rejects.toMatchObject({ code: 'USAGE' });
    expect(await answer(await connect(port), '1')).toBe('a:1');
  });

  test('fails with PORT_UNAVAILABLE if another proxy has its port', async () => {
    const a = await named('a');
    const { port } = await proxyTo(a);
    const again = startProxy({ listen: { host, port }, server: { host, port: a }, runDir: join(runDir, 'other') });
    await expect(again).rejects.toMatchObject({ code: 'PORT_UNAVAILABLE', message: expect.stringMatching(/bind/) });
  });

  test('leaves no file and no connection when it is stopped, also twice', async () => {
    const { proxy, port } = await proxyTo(await named('a'));
    const client = await connect(port);
    await answer(client, '1');
    await Promise.all([once(client, 'close'), proxy.stop()]);
    await proxy.stop();
    await proxy.ended;
    expect(await readdir(runDir)).toEqual([]);
    await expect(connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('the configuration of the edge proxy', () => {
  const server = { host: '10.1.0.5', port: 7 };
  const listen = { host: '::', port: 7000 };

  test.each([
    ['HAProxy version 2.6.12-1+deb12u4 2026/10/17', 'mptcpize'],
    ['HAProxy version 3.0.5 2024/09/19', 'mptcpize'],
    ['HAProxy version 3.1.0 2024/11/26', 'native'],
    ['HAProxy version 3.10-dev1', 'native'],
    ['HA-Proxy version 2.2.9', 'mptcpize'],
  ])('for %s gets MPTCP from %s', (version, means) => {
    expect(meansOf(version)).toBe(means);
  });

  test('names the VM with the MPTCP prefix for HAProxy’s own MPTCP, and quotes addresses and paths', () => {
    expect(haproxyConfig(listen, server, '/run/a b', 'native')).toMatch(/^ {2}server vm mptcp4@10\.1\.0\.5:7$/m);
    const text = haproxyConfig(listen, { host: 'fd00::5', port: 7 }, '/run/a b', 'mptcpize');
    expect(text).toMatch(/^ {2}server vm \[fd00::5\]:7$/m);
    expect(text).toMatch(/^ {2}bind \[::\]:7000$/m);
    expect(text).toMatch(/^ {2}stats socket "\/run\/a b" mode 600 level admin$/m);
    expect(text, 'no health check: a VM that pauses is not down').not.toMatch(/check/);
  });
});
