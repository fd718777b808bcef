/**
 * The edge proxy, for clients that speak plain TCP: it takes their connections, and makes MPTCP connections to the VM in
 * their stead, which follow the VM to its new address. The proxy is HAProxy; this starts it, points it and stops it.
 */
import { type ChildProcess, spawn as spawnChild } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Child, watchChild } from '#shared/child.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Address, haproxyConfig, meansOf } from './config.ts';
import { runtimeCommand } from './runtime.ts';

export type { Address } from './config.ts';

/** Starts a program at the proxy's place, for example inside a network namespace. Its output must be piped. */
export type Spawn = (program: string, args: readonly string[]) => ChildProcess;

export interface ProxyOptions {
  /** Address that clients connect to. */
  readonly listen: Address;
  /** The VM's service, by its IP address. */
  readonly server: Address;
  /** A folder of this proxy's own, for its configuration and its control socket; it is created if it does not exist. */
  readonly runDir: string;
  /** Default: on this host as it is. */
  readonly spawn?: Spawn;
}

/** A proxy that runs. */
export interface Proxy {
  /**
   * From now on new connections go there. Those that exist stay where they are: their MPTCP connections have learnt the
   * new address from the VM itself. @throws TagalongError USAGE where that is no IP address and port
   */
  pointTo(host: string, port: number): Promise<void>;
  /** Ends all connections. Does nothing where it has ended. */
  stop(): Promise<void>;
  /** Resolves when it has ended, also by itself. */
  readonly ended: Promise<void>;
}

const START_MS = 10_000;
const STOP_MS = 3000;
const POLL_MS = 20;
/** A socket's path may be no longer, on Linux. */
const MAX_SOCKET_PATH = 107;
const here: Spawn = (program, args) => spawnChild(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });

/**
 * Starts a proxy; resolves when it takes connections.
 * @throws TagalongError USAGE where an address is not one, PORT_UNAVAILABLE where HAProxy does not start with it
 */
export async function startProxy({ listen, server, runDir, spawn = here }: ProxyOptions): Promise<Proxy> {
  requireAddress('listen', listen);
  requireAddress('server', server);
  const socketPath = join(runDir, 'haproxy.sock');
  if (socketPath.length > MAX_SOCKET_PATH) {
    throw new TagalongError('USAGE', `${runDir}: too long for a socket in it; ${MAX_SOCKET_PATH} characters in all`);
  }
  const means = meansOf(await outputOf(spawn, ['-v']));
  await mkdir(runDir, { recursive: true, mode: 0o700 });
  // A killed proxy may have left a socket that looks like an answer.
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
      // HAProxy answers with the change, or that none was necessary; any other answer is a fault.
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
  if (isIP(host) === 0) throw new TagalongError('USAGE', `${what}: "${host}" is no IP address; give one`);
  // HAProxy takes any number, modulo 65536.
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new TagalongError('USAGE', `${what}: ${port} is no port; give one from 1 to 65535`);
  }
}

/** Runs `haproxy` where the proxy will run, and returns its output. */
async function outputOf(spawn: Spawn, args: readonly string[]): Promise<string> {
  const child = watchChild(spawn('haproxy', args));
  await child.ended;
  const output = child.stdout + child.stderr;
  if (!/version/i.test(output)) {
    throw new TagalongError('USAGE', 'the edge proxy needs haproxy; "apt-get install haproxy mptcpize" brings it');
  }
  return output;
}

async function ready(socketPath: string, child: Child): Promise<void> {
  for (const untilMs = performance.now() + START_MS; performance.now() < untilMs; await sleep(POLL_MS)) {
    if (!child.running) break;
    const answered = await runtimeCommand(socketPath, 'show info').catch(() => undefined);
    if (answered) return;
  }
  throw new Error('not ready');
}

/** The first alert is the cause; those after it follow from it. */
function reasonIn(output: string): string {
  const lines = output.trim().split('\n');
  return lines.find((line) => line.includes('ALERT')) ?? (lines.at(-1) || 'it says nothing');
}
