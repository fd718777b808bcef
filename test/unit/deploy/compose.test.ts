/** The files of Docker Compose are valid for the parser of Compose, and name only what exists. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { freshSecret, SECRET_FILES } from '#deploy/cli/run/fresh-secrets.ts';
import { freePorts, loopback } from '#deploy/local/loopback.ts';
import { type Deployed, planOf, servicesOf } from '#deploy/local/plan.ts';
import { USERS } from '#deploy/nats/accounts.ts';
import { PROCESSES } from '#services/process/modules.ts';
import { loadConfig, parseConfig } from '#shared/config/load.ts';
import { file } from '../../e2e/cli.ts';
import { check, onChecker } from '../../servers/checkers.ts';

const folder = new URL('../../../deploy/compose/', import.meta.url).pathname;
const text = (name: string) => readFileSync(folder + name, 'utf8');
const compose = parse(text('compose.yaml'), { merge: true });

/** A folder with the secrets that `tagalong init --secrets` writes. */
function withSecrets(): string {
  const to = mkdtempSync(join(tmpdir(), 'tagalong-compose-'));
  onTestFinished(() => rmSync(to, { recursive: true }));
  for (const name of Object.values(SECRET_FILES)) writeFileSync(join(to, name), freshSecret());
  return to;
}

onChecker('compose-spec', 'the Compose Specification', () => {
  test('accepts compose.yaml, and refuses a wrong file', async () => {
    const model = JSON.parse(check('compose-spec', ['-no-interpolation', '-format', 'json', `${folder}compose.yaml`]));
    expect(Object.keys(model.services).toSorted()).toEqual(Object.keys(compose.services).toSorted());
    const wrong = await file('compose.yaml', text('compose.yaml').replaceAll('restart: unless', 'restrat: unless'));
    expect(() => check('compose-spec', ['-no-interpolation', wrong])).toThrow(/additional properties 'restrat'/);
  });
});

test('Compose runs each process, and placement and migrator twice', () => {
  const commands = Object.values<{ image: string; command: string[] }>(compose.services)
    .filter(({ image }) => image === 'tagalong')
    .map(({ command }) => command[0]);
  expect(commands.toSorted()).toEqual([...PROCESSES, 'placement', 'migrator'].toSorted());
});

test('the named configurations, secrets, volumes and files exist', () => {
  const secrets = Object.values<{ file: string }>(compose.secrets).map((secret) => secret.file);
  expect(secrets).toEqual(expect.arrayContaining(Object.values(SECRET_FILES).map((name) => `./${name}`)));
  const services = Object.values<Record<string, (string | { source: string })[]>>(compose.services);
  const used = (kind: string) => services.flatMap((service) => service[kind] ?? []);
  const sources = (kind: string) => used(kind).map((one) => (one as { source: string }).source);
  expect(new Set(sources('configs'))).toEqual(new Set(Object.keys(compose.configs)));
  expect(new Set(sources('secrets'))).toEqual(new Set(Object.keys(compose.secrets)));
  const mounted = used('volumes').map((one) => (one as string).split(':')[0]!);
  expect(new Set(mounted.filter((name) => !name.startsWith('.')))).toEqual(new Set(Object.keys(compose.volumes)));
  const files = Object.values<{ file: string }>(compose.configs).map((config) => config.file);
  for (const path of [...files, ...mounted.filter((name) => name.startsWith('.'))]) {
    expect(existsSync(folder + path), path).toBe(true);
  }
});

test('ports are published on this host only, and our services run without further rights', () => {
  let published = 0;
  for (const [name, service] of Object.entries<Record<string, unknown>>(compose.services)) {
    for (const port of (service.ports ?? []) as string[]) {
      expect(port, name).toMatch(/^127\.0\.0\.1:/);
      published++;
    }
    if (service.image === 'tagalong') expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
  }
  expect(published).toBeGreaterThan(5);
});

test('the configurations for NATS and for Kafka are valid, and differ in bus and store only', async () => {
  const given = (env: string) => /^TAGALONG_CONFIG=(.*)$/m.exec(text(env))![1]!;
  const to = withSecrets();
  const load = async (env: string) => {
    copyFileSync(folder + given(env), join(to, given(env)));
    return loadConfig(join(to, given(env)));
  };
  const [nats, kafka] = [await load('nats.env'), await load('kafka.env')];
  expect(nats.http.host).toBe('0.0.0.0');
  expect(nats.bus).toMatchObject({ url: 'nats://nats-1:4222,nats-2:4222,nats-3:4222', replicas: 3 });
  expect(nats.store).toMatchObject({ url: nats.bus.url, replicas: 3 });
  expect([kafka.bus.url, kafka.store.url]).toEqual(['kafka://kafka:9092', 'kafka://kafka:9092']);
  expect(nats.bus.auth).toEqual({ loginFile: '/run/secrets/login' });
  expect({ ...nats, bus: {}, store: {} }).toEqual({ ...kafka, bus: {}, store: {} });
  for (const env of ['nats.env', 'kafka.env']) {
    const profile = /^COMPOSE_PROFILES=(.*)$/m.exec(text(env))![1]!;
    const profiles = Object.values<{ profiles?: string[] }>(compose.services).flatMap(
      (service) => service.profiles ?? [],
    );
    expect(profiles).toContain(profile);
  }
});

test('each process has the login of its own user, and only processes and servers reach the bus', () => {
  for (const [name, service] of Object.entries<Record<string, unknown>>(compose.services)) {
    const networks = service.networks as string[];
    if (service.image === 'tagalong') {
      const [process] = service.command as string[];
      expect(service.secrets).toContainEqual({ source: process, target: 'login' });
      expect(compose.secrets[process!].file).toBe(`secrets/login-${process}`);
    } else expect(networks, name).toEqual(/^(nats|kafka)/.test(name) ? ['bus'] : ['web']);
  }
  expect(compose.services.grafana.environment.GF_SECURITY_ADMIN_PASSWORD__FILE).toBe('/run/secrets/grafana');
});

test('passwords.sh makes each secret that compose.yaml mounts, all different', async () => {
  const made = join(await mkdtemp(join(tmpdir(), 'tagalong-passwords-')), 'secrets');
  try {
    execFileSync('sh', [`${folder}../passwords.sh`, made]);
    const files = Object.values<{ file: string }>(compose.secrets).filter(({ file }) => file.startsWith('secrets/'));
    for (const { file } of files) expect(existsSync(join(made, '..', file)), file).toBe(true);
    const passwords = [...readFileSync(join(made, 'passwords.conf'), 'utf8').matchAll(/^BUS_(\w+): "(\S{32})"$/gm)];
    expect(passwords.map(([, name]) => name!.toLowerCase()).toSorted()).toEqual(USERS.toSorted());
    expect(new Set(passwords.map(([, , password]) => password)).size).toBe(USERS.length);
    for (const [, name, password] of passwords) {
      const login = name!.toLowerCase();
      expect(readFileSync(join(made, `login-${login}`), 'utf8')).toBe(`${login}:${password}`);
    }
    const routes = readFileSync(join(made, 'routes'), 'utf8');
    expect(routes).toMatch(/^p\S{32}$/);
    expect(readFileSync(join(made, 'routes.env'), 'utf8')).toBe(`NATS_ROUTES_PASSWORD=${routes}\n`);
    expect(() => execFileSync('sh', [`${folder}../passwords.sh`, made], { stdio: 'ignore' })).toThrow();
  } finally {
    await rm(join(made, '..'), { recursive: true });
  }
});

test('Prometheus scrapes every process', () => {
  const targets = parse(readFileSync(`${folder}../monitoring/targets.yaml`, 'utf8')) as { targets: string[] }[];
  const ours = Object.entries<{ image: string }>(compose.services).filter(([, { image }]) => image === 'tagalong');
  expect(targets.flatMap((group) => group.targets).toSorted()).toEqual(ours.map(([name]) => `${name}:8080`).toSorted());
});

test('on loopback each address is on 127.0.0.1, and the files agree on it', async () => {
  const deployed: Deployed = {
    compose: text('compose.yaml'),
    configuration: text('tagalong.nats.yaml'),
    prometheus: '',
    alerts: '',
    targets: readFileSync(`${folder}../monitoring/targets.yaml`, 'utf8'),
    natsConf: '',
    natsAccounts: '',
  };
  const at = loopback(servicesOf(deployed.compose), await freePorts(32));
  const { processes, files } = planOf(deployed, at, '/run', (user) => `password of ${user}`);
  const everything = JSON.stringify([processes, files]);
  expect(everything).not.toMatch(/(nats-\d|ingest|placement-\d|0\.0\.0\.0):\d/);
  const urlOf = (name: string) => processes.find((one) => one.name === name)!.url;
  const { bus, http } = parseConfig(files['tagalong-ingest.yaml']!, 'test', withSecrets());
  expect(bus.auth).toEqual({ user: 'ingest', password: 'password of ingest' });
  expect(bus.url).toBe(`nats://${['nats-1', 'nats-2', 'nats-3'].map((name) => urlOf(name).slice(7)).join()}`);
  expect(http.host).toBe('127.0.0.1');
  expect(files['targets.yaml']).toContain(urlOf('placement-2').slice(7));
  // The other servers connect to the address where the first one listens.
  const [first, ...others] = processes.filter(({ program }) => program === 'nats-server');
  for (const { env } of others)
    expect(env.NATS_ROUTE_1).toBe(`nats://routes:password of routes@${first!.env.NATS_CLUSTER_LISTEN}`);
  const listened = processes.map(({ url }) => url);
  expect(new Set(listened).size).toBe(listened.length);
});
