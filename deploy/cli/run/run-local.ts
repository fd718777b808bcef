import { createHmac, randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loopback, onFreePorts } from '#deploy/local/loopback.ts';
import { type Deployed, type Plan, type Planned, planOf, servicesOf } from '#deploy/local/plan.ts';
import { findProgram } from '#deploy/local/programs.ts';
import { type Supervised, supervise } from '#deploy/local/supervisor.ts';
import { contentOf } from '#shared/config/files.ts';
import { parseConfig } from '#shared/config/load.ts';
import { serverUrl } from '#shared/config/server.ts';
import { TagalongError } from '#shared/errors.ts';
import { table } from '../output/table.ts';
import { freshSecret, SECRET_FILES } from './fresh-secrets.ts';
import { aborted, stopRequest } from './signals.ts';

/** The options of `tagalong local`. */
export interface LocalOptions {
  readonly config?: string;
  readonly json?: true;
}

/** More ports than all containers have addresses. */
const PORTS = 32;
/** On a busy host a cluster of three servers needs minutes until it answers all processes. */
const READY_MS = 240_000;
const MAIN = new URL('../main.ts', import.meta.url).pathname;
const deployed = (path: string) => new URL(`../../${path}`, import.meta.url).pathname;

/**
 * Runs the containers of deploy/compose as processes, from the same files, until it is asked to stop. Then it removes their
 * files.
 * @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID, PROGRAM_MISSING
 */
export async function runLocal({
  config: path = deployed('compose/tagalong.nats.yaml'),
  json,
}: LocalOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-local-'));
  try {
    await supplySecrets(dirname(path), folder);
    await refuseOtherServers(path, folder);
    await runIn(folder, path, json);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runIn(folder: string, path: string, json: true | undefined): Promise<void> {
  const programs = {
    'nats-server': [await findProgram('nats-server')],
    prometheus: [await findProgram('prometheus')],
    tagalong: [process.execPath, MAIN],
  };
  const stop = stopRequest();
  const running: Supervised[] = [];
  const watcher = {
    // A server of NATS prints a hundred lines while it starts.
    printed: (name: string, line: string) => appendFileSync(join(folder, `${name}.log`), `${line}\n`),
    ended: (name: string, line: string) => void process.stderr.write(`${name.padEnd(12)} ${line}\n`),
  };
  const begin = async (some: readonly Planned[]) => {
    const begun = some.map((planned) => supervise(launchOf(planned, programs[planned.program]), watcher));
    running.push(...begun);
    await Promise.race([Promise.all(begun.map((one) => one.ready(READY_MS))), aborted(stop)]);
  };
  const end = async () => {
    const all = running.splice(0);
    // The services end first: they still need the servers while they stop.
    await stopAll(all.filter(({ name }) => !name.startsWith('nats-')));
    await stopAll(all);
    await rm(folder, { recursive: true, force: true });
  };
  const startAt = async (ports: readonly number[]) => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await supplySecrets(dirname(path), folder);
    const plan = await planIn(folder, path, ports);
    const isServer = ({ program }: Planned) => program === 'nats-server';
    try {
      await begin(plan.processes.filter(isServer));
      if (!stop.aborted) await begin(plan.processes.filter((planned) => !isServer(planned)));
    } catch (error) {
      await end();
      throw error;
    }
    return plan;
  };
  try {
    const plan = await onFreePorts(PORTS, startAt);
    if (stop.aborted) return;
    process.stdout.write(json ? asJson(plan, running) : asTable(plan, folder));
    await aborted(stop);
  } finally {
    await end();
  }
}

/** Copies the secrets of "tagalong init" that lie beside the configuration, and makes those that do not. */
async function supplySecrets(from: string, to: string): Promise<void> {
  for (const name of Object.values(SECRET_FILES)) {
    const given = await readFile(join(from, name), 'utf8').catch(() => undefined);
    await writeFile(join(to, name), given ?? `${freshSecret()}\n`, { mode: 0o600 });
  }
}

/** @throws TagalongError CONFIG_UNREADABLE; CONFIG_INVALID unless bus and store are the servers that this command starts */
async function refuseOtherServers(path: string, folder: string): Promise<void> {
  const { bus, store } = parseConfig(`${await contentOf(path, 'a YAML or JSON file')}`, path, folder);
  for (const [section, { url }] of Object.entries({ bus, store })) {
    const { kind, hosts } = serverUrl(url)!;
    if (kind === 'nats' && hosts.every((host) => /^nats-[123]:4222$/.test(host))) continue;
    const right = 'give nats://nats-1:4222,nats-2:4222,nats-3:4222; "local" runs them on loopback';
    throw new TagalongError(
      'CONFIG_INVALID',
      `${path}: ${section}.url: ${url} is not a server that "local" starts; ${right}`,
    );
  }
}

async function planIn(folder: string, configPath: string, ports: readonly number[]): Promise<Plan> {
  const text = (path: string) => readFile(path, 'utf8');
  const files: Deployed = {
    compose: await text(deployed('compose/compose.yaml')),
    configuration: await text(configPath),
    prometheus: await text(deployed('monitoring/prometheus.yaml')),
    alerts: await text(deployed('monitoring/alerts.yaml')),
    targets: await text(deployed('monitoring/targets.yaml')),
    natsConf: await text(deployed('nats/cluster.conf')),
    natsAccounts: await text(deployed('nats/accounts.conf')),
  };
  // Nobody needs the passwords after this run.
  const key = randomBytes(32);
  const passwordOf = (user: string) => `p${createHmac('sha256', key).update(user).digest('base64url')}`;
  const plan = planOf(files, loopback(servicesOf(files.compose), ports), folder, passwordOf);
  for (const [name, content] of Object.entries(plan.files)) {
    await writeFile(join(folder, name), content, { mode: 0o600 });
  }
  return plan;
}

function launchOf({ name, args, env, readyUrl }: Planned, [command, ...first]: readonly string[]) {
  return { name, command: command!, args: [...first, ...args], env, readyUrl };
}

async function stopAll(processes: readonly Supervised[]): Promise<void> {
  await Promise.all(processes.map((one) => one.stop()));
}

function asJson({ processes }: Plan, running: readonly Supervised[]): string {
  const shown = processes.map(({ name, url }) => ({ name, url, pid: running.find((one) => one.name === name)?.pid }));
  return `${JSON.stringify({ processes: shown })}\n`;
}

function asTable({ processes }: Plan, folder: string): string {
  const rows = processes.map(({ name, url }) => [name, url]);
  const urls = processes.filter(({ program }) => program === 'tagalong').map(({ url }) => url);
  const all = table([{ head: 'process' }, { head: 'address' }], rows);
  const dashboard = processes.find(({ name }) => name === 'dashboard')?.url;
  const lines = [
    `export TAGALONG_URL=${urls.join()}`,
    `export TAGALONG_TOKEN=$(cat ${join(folder, SECRET_FILES.adminToken)})`,
    `The map is at ${dashboard}. To give orders there, sign in with this token.`,
    `Logs: ${folder}/NAME.log, for example nats-1.log. Ctrl-C ends all processes and removes the logs.`,
  ];
  return `${all}\n${lines.join('\n')}\n`;
}
