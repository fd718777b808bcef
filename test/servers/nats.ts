/** Starts real NATS servers for tests, on free loopback ports, with their data in temporary folders. */
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { freePorts } from '#deploy/local/loopback.ts';
import { type Child, startChild } from '#shared/child.ts';
import { describeNeeding } from '../needing.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const START_TIMEOUT_MS = 20_000;
/** With this port, the server picks a free one. */
const ANY_PORT = -1;
/** Each installation reserves 10 GB and uses little of it, so that many fit on one server. */
const MAY_RESERVE = '10TB';

/** A running NATS server of a test. */
export interface NatsTestServer {
  readonly url: string;
  readonly version: string;
  readonly pid: number;
  /** The folder of its streams. */
  readonly dataFolder: string;
  /** The names of its streams; only without credentials. */
  streams(): Promise<string[]>;
  /** Kills the process, like a power failure. */
  kill(): Promise<void>;
  /** Starts the server again with its port and data. */
  restart(): Promise<void>;
  /** Stops the server and removes its data. */
  stop(): Promise<void>;
}

/** The path of nats-server; undefined if `npm run prerequisites` has not installed it. */
function natsServerPath(): string | undefined {
  const { TAGALONG_NATS_SERVER: chosen } = process.env;
  if (chosen) return chosen;
  const folders = [`${ROOT}build/servers`, ...(process.env.PATH ?? '').split(':'), '/usr/sbin'];
  return folders.map((folder) => join(folder, 'nats-server')).find((path) => existsSync(path));
}

/** Registers tests that need a NATS server. Without it they are skipped by name; in CI they fail. */
export function onNats(name: string, tests: () => void): void {
  const why = 'nats-server is missing; npm run prerequisites installs it';
  describeNeeding('nats-server', natsServerPath() === undefined ? why : undefined, name, tests);
}

/** Starts a server. @param config further lines of its configuration, such as `authorization` */
export async function startNats(config = ''): Promise<NatsTestServer> {
  return startOne({ name: 'tagalong-test', port: ANY_PORT, config });
}

/** Starts a cluster of three servers. */
export async function startNatsCluster(): Promise<readonly NatsTestServer[]> {
  const ports = await freePorts(6);
  const routes = ports.slice(3).map((port) => `nats://127.0.0.1:${port}`);
  const cluster = (i: number) =>
    `cluster { name: "tagalong-test", listen: "127.0.0.1:${ports[3 + i]}", routes: ${JSON.stringify(routes)} }`;
  return Promise.all([0, 1, 2].map((i) => startOne({ name: `n${i}`, port: ports[i]!, config: cluster(i) })));
}

async function startOne(options: {
  readonly name: string;
  readonly port: number;
  readonly config: string;
}): Promise<NatsTestServer> {
  const { name, config } = options;
  const path = natsServerPath()!;
  const folder = await mkdtemp(join(tmpdir(), `tagalong-nats-${randomUUID().slice(0, 8)}-`));
  const file = join(folder, 'nats.conf');
  const configure = (port: number) =>
    writeFile(
      file,
      `server_name: "${name}"\nlisten: "127.0.0.1:${port}"\njetstream { store_dir: "${folder}/data", max_file_store: ${MAY_RESERVE} }\n${config}\n`,
    );
  const remove = () => rm(folder, { recursive: true, force: true });
  await configure(options.port);
  let { child, port } = await spawnServer(path, file).catch(async (error) => {
    await remove();
    throw error;
  });
  // Later starts use the same port.
  await configure(port);
  return {
    url: `nats://127.0.0.1:${port}`,
    version: execFileSync(path, ['--version'], { encoding: 'utf8' }).replace(/^.*v/, '').trim(),
    dataFolder: `${folder}/data`,
    get pid() {
      return child.pid!;
    },
    async streams() {
      const nc = await connect({ servers: `127.0.0.1:${port}` });
      const names = await (await nc.jetstreamManager()).streams.names().next();
      await nc.close();
      return names;
    },
    async kill() {
      await child.kill();
    },
    async restart() {
      await child.stop();
      ({ child, port } = await spawnServer(path, file));
    },
    async stop() {
      await child.kill();
      await remove();
    },
  };
}

/** Waits until the server is ready. @returns its port for clients */
async function spawnServer(path: string, file: string): Promise<{ readonly child: Child; readonly port: number }> {
  const child = startChild(path, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'], keepChars: 20_000 });
  try {
    await child.printed(/Server is ready/, START_TIMEOUT_MS);
    const port = Number(await child.printed(/Listening for client connections on 127\.0\.0\.1:(\d+)/));
    return { child, port };
  } catch (error) {
    await child.kill();
    throw error;
  }
}
