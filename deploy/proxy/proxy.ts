/**
 * The edge proxy, for clients that speak plain TCP: it accepts their connections, and opens MPTCP connections to the VM for
 * them, which follow the VM to its new address. The proxy is HAProxy; this file starts, redirects and stops it.
 */
import { type ChildProcess, spawn as spawnChild } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { type Child, watchChild } from '#shared/child.ts';
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Address, haproxyConfig, meansOf } from './config.ts';
import { runtimeCommand } from './runtime.ts';

export type { Address } from './config.ts';

/** Starts a program in the proxy's environment, for example in a network namespace. Its output must be piped. */
export type Spawn = (program: string, args: readonly string[]) => ChildProcess;

/** The addresses and the folder of a proxy. */
export interface ProxyOptions {
  /** The address for clients. */
  readonly listen: Address;
  /** The IP address and port of the VM's service. */
  readonly server: Address;
  /** A folder for the configuration and the control socket of this proxy alone; created if it does not exist. */
  readonly runDir: string;
  /** @default in the environment of this process */
  readonly spawn?: Spawn;
}

/** A running proxy. */
export interface Proxy {
  /**
   * Directs new connections to another address. Existing connections stay: the VM itself announces its new address to them
   * by MPTCP. @throws TagalongError USAGE unless the address is an IP address and a port
   */
  pointTo(host: string, port: number): Promise<void>;
  /** Stops the proxy and with it all connections. Does nothing if it has ended. */
  stop(): Promise<void>;
  /** Resolves when the proxy has ended, also by itself. */
  readonly ended: Promise<void>;
}

const START_MS = 10_000;
const STOP_MS = 3000;
const POLL_MS = 20;
/** The longest path of a socket on Linux. */
const MAX_SOCKET_PATH = 107;
const here: Spawn = (program, args) => spawnChild(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });

/**
 * Starts a proxy; resolves when it accepts connections.
 * @throws TagalongError USAGE if an address is malformed, PORT_UNAVAILABLE if HAProxy does not start with it
 */
export async function startProxy({ listen, server, runDir, spawn = here }: ProxyOptions): Promise<Proxy> {
  requireAddress('listen', listen);
  requireAddress('server', server);
  const socketPath = join(runDir, 'haproxy.sock');
  if (socketPath.length > MAX_SOCKET_PATH) {
    throw new TagalongError(
      'USAGE',
      `${runDir}: the path of the socket in it has ${socketPath.length} characters; name a folder with which it has at most ${MAX_SOCKET_PATH}`,
    );
  }
  const means = meansOf(await outputOf(spawn, ['-v']));
  await mkdir(runDir, { recursive: true, mode: 0o700 });
  // A killed proxy may have left its socket, which would look like a started proxy.
  await rm(socketPath, { force: true });
  const configPath = join(runDir, 'haproxy.cfg');
  await writeFile(configPath, haproxyConfig(listen, server, socketPath, means));

  const args = ['-db', '-f', configPath];
  const child = watchChild(
    means === 'native' ? spawn('haproxy', args) : spawn('mptcpize', ['run', 'haproxy', ...args]),
  );
  const ended = child.ended.then(() => {});
  const proxy: Proxy = {
    ended,
    async pointTo(host, port) {
      requireAddress('pointTo', { host, port });
      // HAProxy answers that it has changed the address, or that no change is necessary. Any other answer is a fault.
      const answer = await runtimeCommand(socketPath, `set server vm/vm addr ${host} port ${port}`);
      if (!/changed|no need/.test(answer)) throw new Error(`HAProxy: ${answer}`);
    },
    async stop() {
      await child.stop(STOP_MS);
      await rm(socketPath, { force: true });
      await rm(configPath, { force: true });
    },
  };
  await ready(socketPath, child).catch(async () => {
    await proxy.stop();
    const where = `${listen.host}:${listen.port}`;
    throw new TagalongError(
      'PORT_UNAVAILABLE',
      `HAProxy does not start at ${where}: ${reasonIn(child.stdout + child.stderr)}`,
    );
  });
  return proxy;
}

function requireAddress(what: string, { host, port }: Address): void {
  if (isIP(host) === 0)
    throw new TagalongError('USAGE', `${what}: "${host}" is no IP address; give an IPv4 or IPv6 address`);
  // HAProxy accepts any number and uses it modulo 65536.
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new TagalongError('USAGE', `${what}: ${port} is no port; give one from 1 to 65535`);
  }
}

/** Runs `haproxy` in the environment of the proxy, and returns its output. */
async function outputOf(spawn: Spawn, args: readonly string[]): Promise<string> {
  const child = watchChild(spawn('haproxy', args));
  await child.ended;
  const output = child.stdout + child.stderr;
  if (!/version/i.test(output)) {
    throw new TagalongError(
      'USAGE',
      'the edge proxy needs haproxy; install it with "apt-get install haproxy mptcpize"',
    );
  }
  return output;
}

async function ready(socketPath: string, child: Child): Promise<void> {
  const isOver = async () => !child.running || (await runtimeCommand(socketPath, 'show info').catch(() => '')) !== '';
  const isInTime = await until(isOver, { everyMs: POLL_MS, withinMs: START_MS });
  if (!isInTime || !child.running) throw new Error('not ready');
}

/** The first alert of the output: it is the cause of the later ones. */
function reasonIn(output: string): string {
  const lines = output.trim().split('\n');
  return lines.find((line) => line.includes('ALERT')) ?? (lines.at(-1) || 'it says nothing');
}
