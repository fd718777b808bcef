/** Plans the processes that replace the containers of deploy/compose/compose.yaml, and their arguments. */
import { parse } from 'yaml';
import { USERS, variableOf } from '../nats/accounts.ts';
import type { Loopback } from './loopback.ts';

/** The part of Compose's file that the plan needs. */
interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
}
interface ComposeService {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly profiles?: readonly string[];
}

/** One process of the plan. */
export interface Planned {
  /** The name of the service in compose.yaml. */
  readonly name: string;
  readonly program: 'nats-server' | 'tagalong' | 'prometheus';
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** URL that answers 200 once the process is ready. */
  readonly readyUrl: string;
  /** Base URL of its HTTP server. */
  readonly url: string;
}

/** Texts of the files that the run needs in its folder, by name. */
export interface Plan {
  readonly processes: readonly Planned[];
  readonly files: Readonly<Record<string, string>>;
}

/** The texts of the deployed files. */
export interface Deployed {
  readonly compose: string;
  readonly configuration: string;
  readonly prometheus: string;
  readonly alerts: string;
  readonly targets: string;
  /** The configuration of the NATS servers, and of their account. */
  readonly natsConf: string;
  readonly natsAccounts: string;
}

const NATS_PORT = 4222;
const NATS_HTTP_PORT = 8222;
const SERVICE_PORT = 8080;
const PROMETHEUS_PORT = 9090;
/** The user of the connections between the NATS servers, and the text that Compose replaces by its password. */
const ROUTES = 'routes';
const ROUTES_PASSWORD = /\$\{NATS_ROUTES_PASSWORD:-\}/;

/** Names of the services in the profile nats; addresses may use only these. */
export function servicesOf(compose: string): string[] {
  return Object.entries(read(compose).services)
    .filter(([, { profiles }]) => profiles === undefined || profiles.includes('nats'))
    .map(([name]) => name);
}

/**
 * @param folder for all files of the run
 * @param passwordOf makes the password of a user of the NATS servers, which begins with a letter; the same one each time
 * @returns the processes in the order of their start
 */
export function planOf(deployed: Deployed, at: Loopback, folder: string, passwordOf: (user: string) => string): Plan {
  const { services } = read(deployed.compose);
  const of = (image: RegExp) => Object.entries(services).filter(([, service]) => image.test(service.image));
  const nats = of(/^nats:/).map(([name, service]) => natsProcess(name, service, at, folder, passwordOf(ROUTES)));
  const ours = of(/^tagalong$/).map(([name, service]) => ourProcess(name, service, at, folder));
  const prometheus = of(/^prom\/prometheus:/).map(([name]) => prometheusProcess(name, at, folder));
  const configuration = onLoopback(at.translate(deployed.configuration));
  const passwords = USERS.map((user) => `${variableOf(user)}: ${JSON.stringify(passwordOf(user))}\n`);
  return {
    processes: [...nats, ...ours, ...prometheus],
    files: {
      ...Object.fromEntries(USERS.map((user) => [fileOf(user), withLogin(configuration, user, passwordOf(user))])),
      'cluster.conf': deployed.natsConf,
      'accounts.conf': deployed.natsAccounts,
      'passwords.conf': passwords.join(''),
      'prometheus.yaml': deployed.prometheus,
      'alerts.yaml': deployed.alerts,
      'targets.yaml': at.translate(deployed.targets),
    },
  };
}

function read(compose: string): ComposeFile {
  return parse(compose, { merge: true }) as ComposeFile;
}

interface Given {
  readonly http?: object;
  readonly bus?: object;
  readonly store?: object;
}

/** Makes a process listen on the loopback only; in a container it listens on all addresses. */
function onLoopback(configuration: string): Given {
  const config = parse(configuration) as Given;
  return { ...config, http: { ...config.http, host: '127.0.0.1' } };
}

/** The configuration of one user of the NATS servers; in a container its login is in a file. */
function withLogin({ bus, store, ...config }: Given, user: string, password: string): string {
  const auth = { user, password };
  return JSON.stringify({ ...config, bus: { ...bus, auth }, store: { ...store, auth } }, null, 2);
}

const fileOf = (user: string) => `tagalong-${user}.yaml`;

function natsProcess(name: string, service: ComposeService, at: Loopback, folder: string, routes: string): Planned {
  const ofService = (value: string) => at.translate(value, name).replace(ROUTES_PASSWORD, routes);
  const env = Object.entries(service.environment ?? {}).map(([key, value]) => [key, ofService(value)]);
  return {
    name,
    program: 'nats-server',
    args: ['--config', `${folder}/cluster.conf`],
    env: { ...Object.fromEntries(env), NATS_DATA: `${folder}/${name}` },
    url: `nats://${at.address(name, NATS_PORT)}`,
    readyUrl: `http://${at.address(name, NATS_HTTP_PORT)}/healthz`,
  };
}

function ourProcess(name: string, { command = [] }: ComposeService, at: Loopback, folder: string): Planned {
  const address = at.address(name, SERVICE_PORT);
  return {
    name,
    program: 'tagalong',
    args: [command[0]!, '--config', `${folder}/${fileOf(command[0]!)}`, '--port', address.split(':')[1]!],
    env: {},
    url: `http://${address}`,
    readyUrl: `http://${address}/readyz`,
  };
}

function prometheusProcess(name: string, at: Loopback, folder: string): Planned {
  const address = at.address(name, PROMETHEUS_PORT);
  return {
    name,
    program: 'prometheus',
    args: [
      `--config.file=${folder}/prometheus.yaml`,
      `--storage.tsdb.path=${folder}/prometheus`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
    ],
    env: {},
    url: `http://${address}`,
    readyUrl: `http://${address}/-/ready`,
  };
}
