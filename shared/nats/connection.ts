/**
 * The connection code of NATS for bus, store and ingest's MQTT. The client reconnects without a limit of attempts. `onDisconnect`
 * and `onReconnect` report each change.
 */
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import {
  type Authenticator,
  connect,
  credsAuthenticator,
  Events,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nkeyAuthenticator,
  type TlsOptions,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from 'nats';
import type { ServerRole } from '../connection/role.ts';
import { ConnectionWatch } from '../connection/watch.ts';
import { TagalongError } from '../errors.ts';
import type { Log } from '../log.ts';
import { type NatsCounters, natsCounters } from './counters.ts';
import { apiCode, connectionError, patiently, reasonOf, STREAM_NOT_FOUND, withoutSecrets } from './errors.ts';
import type { NatsCredentials, NatsServer } from './options.ts';

/** The oldest server that can create consumers by name. */
const LEAST_VERSION = [2, 9] as const;
const CONNECT_TIMEOUT_MS = 5_000;
const API_TIMEOUT_MS = 3_000;
const RECONNECT_WAIT_MS = 250;
/** The interval of pings. After three without an answer the client treats the connection as lost. */
const PING_MS = 3_000;

/** A connection and its shared state. */
export interface Link {
  /** The connection's purpose, bus or store. It decides the codes of the errors. */
  readonly role: ServerRole;
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly counters: NatsCounters;
  /** True if the server supports consumers with several filters (from 2.10 on). */
  readonly manyFilters: boolean;
  /** True if the server deletes a message at an age of its own (from 2.11 on). */
  readonly messageTtls: boolean;
  /** Subjects that the server has forbidden since the last connect. */
  readonly forbidden: ReadonlySet<string>;
  /** False while the connection is lost. */
  readonly connected: boolean;
  /** Calls `listener` after each reconnect. @returns removes the listener */
  onReconnect(listener: () => void): () => void;
  /** Calls `listener` after each loss of the connection. @returns removes the listener */
  onDisconnect(listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * Connects, and checks that the server is new enough and has JetStream.
 * @throws TagalongError `role.unreachable`, `role.unfit`, BUS_REFUSED
 */
export async function openLink(server: NatsServer, role: ServerRole): Promise<Link> {
  const { servers, credentials = {}, name = 'tagalong' } = server;
  const urls = typeof servers === 'string' ? [servers] : [...servers];
  const where = urls.map(withoutSecrets).join(', ');
  const { tls } = credentials;
  const nc = await connect({
    servers: urls,
    name,
    timeout: CONNECT_TIMEOUT_MS,
    authenticator: authenticatorOf(credentials),
    tls: tls && tlsOptions(tls, urls),
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    noAsyncTraces: true,
    pingInterval: PING_MS,
    maxPingOut: 2,
  }).catch((cause) => {
    throw connectionError(role, where, cause);
  });
  try {
    return await linkOf(nc, role, where);
  } catch (error) {
    await nc.close();
    throw error;
  }
}

async function linkOf(nc: NatsConnection, role: ServerRole, where: string): Promise<Link> {
  const { version } = nc.info!;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < LEAST_VERSION[0] || (major === LEAST_VERSION[0] && minor < LEAST_VERSION[1])) {
    const message = `${where}: nats-server has version ${version}; install ${LEAST_VERSION.join('.')} or newer`;
    throw new TagalongError(role.unfit, message);
  }
  const jsm = await patiently(role, where, () => nc.jetstreamManager({ timeout: API_TIMEOUT_MS })).catch((cause) => {
    if (cause instanceof TagalongError) throw cause;
    const message = `${where}: JetStream does not answer (${reasonOf(cause)}); enable it for the account`;
    throw new TagalongError(role.unfit, message, { cause });
  });
  const counters = natsCounters();
  const listeners = new Set<() => void>();
  const lostListeners = new Set<() => void>();
  const forbidden = new Set<string>();
  let connected = true;
  const watch = async () => {
    for await (const { type, permissionContext } of nc.status()) {
      if (type === Events.Error) counters.serverErrors++;
      if (permissionContext !== undefined) forbidden.add(permissionContext.subject);
      if (type === Events.Disconnect) {
        counters.disconnects++;
        connected = false;
        for (const listener of lostListeners) listener();
      }
      if (type === Events.Reconnect) {
        counters.reconnects++;
        connected = true;
        forbidden.clear();
        for (const listener of listeners) listener();
      }
    }
  };
  void watch();
  return {
    role,
    nc,
    jsm,
    counters,
    get connected() {
      return connected;
    },
    forbidden,
    manyFilters: major > 2 || minor >= 10,
    messageTtls: major > 2 || minor >= 11,
    onReconnect(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onDisconnect(listener) {
      lostListeners.add(listener);
      return () => lostListeners.delete(listener);
    },
    close: () => nc.close(),
  };
}

/**
 * Watches whether a stream of the server is usable. The caller closes the watch.
 * @param stream its name on the server
 * @param log receives a line when the connection is lost and when it is regained
 */
export function watchLink(link: Link, stream: string, log?: Log): ConnectionWatch {
  const watch = new ConnectionWatch({
    what: link.role.name,
    log,
    where: () => withoutSecrets(link.nc.getServer()),
    async ask() {
      if (!link.connected) throw NatsError.errorForCode('DISCONNECT');
      await link.jsm.streams.info(stream);
    },
    reasonOf(error) {
      if (apiCode(error) === STREAM_NOT_FOUND) return 'what it kept is gone from the server';
      return error instanceof NatsError && error.code !== '503' ? error.code : 'JetStream does not answer';
    },
  });
  link.onDisconnect(() => watch.lost('the connection was closed'));
  link.onReconnect(() => void watch.look());
  return watch;
}

function authenticatorOf(credentials: NatsCredentials): Authenticator | undefined {
  const { user, password, token, nkeySeed, creds } = credentials;
  if (user !== undefined) return usernamePasswordAuthenticator(user, password);
  if (token !== undefined) return tokenAuthenticator(token);
  if (nkeySeed !== undefined) return nkeyAuthenticator(bytes(nkeySeed));
  if (creds !== undefined) return credsAuthenticator(bytes(creds));
  return undefined;
}

/** The client gives TLS no name for a server with an IP address, so this checks the certificate against the hosts of our URLs. */
function tlsOptions({ ca, cert, key }: NonNullable<NatsCredentials['tls']>, urls: readonly string[]): TlsOptions {
  const ours = urls.map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ''));
  const options = {
    ca: ca?.toString(),
    cert: cert?.toString(),
    key: key?.toString(),
    checkServerIdentity(host: string, certificate: PeerCertificate) {
      const hosts = host === 'localhost' ? ours : [host];
      const faults = hosts.map((name) => checkServerIdentity(name, certificate));
      return faults.includes(undefined) ? undefined : faults[0];
    },
  };
  return options;
}

function bytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? new TextEncoder().encode(value) : value;
}
