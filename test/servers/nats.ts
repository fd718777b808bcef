/** NATS servers for tests: real ones, on free ports of the loopback, with their data in a folder of their own. */
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
/** For NATS: the server picks a free one. */
const ANY_PORT = -1;
/** Each installation reserves 10 GB and uses little of it: many have room on one server. */
const MAY_RESERVE = '10TB';

/** A server that a test has started. */
export interface NatsTestServer {
  readonly url: string;
  readonly version: string;
  readonly pid: number;
  /** Where its streams are. */
  readonly dataFolder: string;
  /** The names of its streams, where no credentials are asked for. */
  streams(): Promise<string[]>;
  /** As if the machine lost its power, as far as the process is concerned. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and with the same data. */
  restart(): Promise<void>;
  /** Ends it and removes what it kept. */
  stop(): Promise<void>;
}

/** Where nats-server is; undefined where `npm run prerequisites` has not installed one. */
function natsServerPath(): string | undefined {
  const { TAGALONG_NATS_SERVER: chosen } = process.env;
  if (chosen) return chosen;
  const folders = [`${ROOT}build/servers`, ...(process.env.PATH ?? '').split(':'), '/usr/sbin'];
  return folders.map((folder) => join(folder, 'nats-server')).find((path) => existsSync(path));
}

/** Tests that need a NATS server: without one they are skipped by name, in CI they fail. */
export function onNats(name: string, tests: () => void): void {
  const why = 'nats-server is missing; npm run prerequisites installs it';
  describeNeeding('nats-server', natsServerPath() === undefined ? why : undefined, name, tests);
}

/** @param config more lines of the server's configuration, such as `authorization` */
export async function startNats(config = ''): Promise<NatsTestServer> {
  return startOne({ name: 'tagalong-test', port: ANY_PORT, config });
}

/** Three servers that keep three copies of everything. */
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
  // Later starts are on the same port.
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

/** Resolves when it says that it is ready, with the port on which clients find it. */
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
