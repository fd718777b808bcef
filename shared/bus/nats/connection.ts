/** A connection to NATS that stays: lost, it is made again for ever. */
import { setTimeout as pause } from 'node:timers/promises';
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
import { ConnectionWatch } from '../../connection/watch.ts';
import { TagalongError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { type NatsCounters, natsCounters } from './counters.ts';
import type { NatsCredentials, NatsServer } from './options.ts';

/** The oldest server that can create consumers by name. */
const LEAST_VERSION = [2, 9] as const;
const CONNECT_TIMEOUT_MS = 5_000;
const API_TIMEOUT_MS = 3_000;
const RECONNECT_WAIT_MS = 250;
const PATIENCE_MS = 20_000;
const RETRY_MS = 250;
/** JetStream is off, for the server or for the account. */
const NOT_ENABLED: readonly number[] = [10039, 10076];
/** A connection that is dead without having been closed is noticed after three of these. */
const PING_MS = 3_000;

/** A connection with what all that use it share. */
export interface Link {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly counters: NatsCounters;
  /** True where the server knows consumers with several filters (from 2.10 on). */
  readonly manyFilters: boolean;
  /** Subjects that the server has told us not to use. */
  readonly forbidden: ReadonlySet<string>;
  /** False while the connection is lost. */
  readonly connected: boolean;
  /** Tells `listener` whenever the connection is there again. @returns ends that */
  onReconnect(listener: () => void): () => void;
  /** Tells `listener` whenever the connection is lost. @returns ends that */
  onDisconnect(listener: () => void): () => void;
  close(): Promise<void>;
}

/**
 * Connects.
 * @throws TagalongError BUS_UNREACHABLE, BUS_REFUSED, BUS_UNFIT
 */
export async function openLink({ servers, credentials = {}, name = 'tagalong' }: NatsServer): Promise<Link> {
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
    throw connectionError(where, cause);
  });
  try {
    return await linkOf(nc, where);
  } catch (error) {
    await nc.close();
    throw error;
  }
}

async function linkOf(nc: NatsConnection, where: string): Promise<Link> {
  const { version } = nc.info!;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < LEAST_VERSION[0] || (major === LEAST_VERSION[0] && minor < LEAST_VERSION[1])) {
    const message = `${where}: nats-server is ${version}; at least ${LEAST_VERSION.join('.')} is needed`;
    throw new TagalongError('BUS_UNFIT', message);
  }
  const jsm = await patiently(where, () => nc.jetstreamManager({ timeout: API_TIMEOUT_MS })).catch((cause) => {
    if (cause instanceof TagalongError) throw cause;
    const message = `${where}: JetStream does not answer (${reasonOf(cause)}); it has to be enabled for the account`;
    throw new TagalongError('BUS_UNFIT', message, { cause });
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
    nc,
    jsm,
    counters,
    get connected() {
      return connected;
    },
    forbidden,
    manyFilters: major > 2 || minor >= 10,
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

const STREAM_NOT_FOUND = 10059;

/**
 * Watches whether a stream of the server can be used.
 * @param stream its name on the server
 */
export function watchLink(link: Link, what: 'bus' | 'store', stream: string, log?: Log): ConnectionWatch {
  const watch = new ConnectionWatch({
    what,
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

/** The client tells TLS no name for a server that is given by its address: its certificate has to be one of our URLs'. */
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

/** A URL may carry a password; a message must not. */
function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}

const REFUSED: readonly string[] = [
  'AUTHORIZATION_VIOLATION',
  'AUTHENTICATION_EXPIRED',
  'AUTHENTICATION_TIMEOUT',
  'ACCOUNT_EXPIRED',
  'BAD_AUTHENTICATION',
  'BAD_CREDS',
  'PERMISSIONS_VIOLATION',
];

function connectionError(where: string, cause: unknown): TagalongError {
  const { code } = cause as { code?: string };
  if (code !== undefined && REFUSED.includes(code)) {
    return new TagalongError('BUS_REFUSED', `${where}: NATS does not accept our credentials (${code})`, { cause });
  }
  const message = `${where}: no NATS server answers (${reasonOf(cause)}); is it running, and is the address right?`;
  return new TagalongError('BUS_UNREACHABLE', message, { cause });
}

/** The error for something that the server would not do. */
export function refusalOf(what: string, cause: unknown): TagalongError {
  if (cause instanceof TagalongError) return cause;
  const { code } = cause as { code?: string };
  if (code !== undefined && REFUSED.includes(code)) {
    const message = `${what}: our account on NATS does not permit it (${reasonOf(cause)}); shared/bus/nats/README.md has what it takes`;
    return new TagalongError('BUS_REFUSED', message, { cause });
  }
  if (isPassing(cause) || code === '503') {
    return new TagalongError('BUS_UNREACHABLE', `${what}: NATS does not answer (${reasonOf(cause)})`, { cause });
  }
  return new TagalongError('BUS_UNFIT', `${what}: NATS would not do it (${reasonOf(cause)})`, { cause });
}

/**
 * Asks until there is an answer: servers of a cluster that has just begun, or has lost one, have to find a leader first.
 * @throws TagalongError BUS_UNREACHABLE, or the answer where it is another error
 */
export async function patiently<T>(what: string, ask: () => Promise<T>): Promise<T> {
  const giveUpMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (performance.now() > giveUpMs) {
        const message = `${what}: NATS does not answer (${reasonOf(error)}); look after the server`;
        throw new TagalongError('BUS_UNREACHABLE', message, { cause: error });
      }
      await pause(RETRY_MS);
    }
  }
}

/** True for an error that another attempt may not meet. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof NatsError)) return false;
  const { api_error: answer, code } = error;
  if (answer !== undefined) return answer.code >= 500 && !NOT_ENABLED.includes(answer.err_code ?? 0);
  return ['TIMEOUT', 'DISCONNECT', 'CONNECTION_REFUSED'].includes(code);
}

/** What an error of the client says, in few words. */
export function reasonOf(error: unknown): string {
  if (error instanceof NatsError) return error.api_error?.description ?? error.chainedError?.message ?? error.message;
  return error instanceof Error ? error.message : String(error);
}

/** The number JetStream gives an error, 10059 for a stream that is not there; undefined for another error. */
export function apiCode(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}
