/** The URL of a bus or a store, and the checks of the keys beside it. */
import type { Fault } from './faults.ts';
import type { ServerConfig } from './schema.ts';

/** The parts of a URL. */
export interface ServerUrl {
  readonly kind: 'memory' | 'nats' | 'kafka';
  /** `host:port` of each server; none for memory. */
  readonly hosts: readonly string[];
}

const HOST = /^([\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$/;
const FORMS = 'memory:, nats://HOST:PORT or kafka://HOST:PORT, with further hosts after commas';

/** Parses the URL of a bus or a store. @returns undefined if it is not such a URL */
export function serverUrl(url: string): ServerUrl | undefined {
  if (url === 'memory:') return { kind: 'memory', hosts: [] };
  const [, kind, rest = ''] = /^(nats|kafka):\/\/(.+?)\/?$/.exec(url) ?? [];
  const hosts = rest.split(',');
  if (kind === undefined || !hosts.every((host) => HOST.test(host))) return undefined;
  return { kind: kind as 'nats' | 'kafka', hosts };
}

/** The prefix begins the names of streams, buckets, topics and groups, so it may contain only their characters. A slash ends it. */
const PREFIX = {
  nats: { fits: /^[A-Za-z0-9_-]+$/, right: 'letters, digits, _ and -' },
  kafka: { fits: /^[A-Za-z0-9._-]+$/, right: 'letters, digits, ., _ and -' },
};

/** The faults of a bus or a store. @param section the path of its section: `bus`, `store` */
export function* serverFaults(section: readonly string[], { url, prefix, auth, tls }: ServerConfig): Generator<Fault> {
  const server = serverUrl(url);
  if (server === undefined) {
    // The message must not repeat a password in the URL.
    const shown = url.includes('@') ? 'a url with a user in it: that belongs into auth' : `"${url}"`;
    yield { path: [...section, 'url'], message: `there is no ${section.join('.')} for ${shown}; give ${FORMS}` };
    return;
  }
  const { kind } = server;
  if (kind === 'memory' && (auth !== undefined || tls !== undefined)) {
    const key = auth === undefined ? 'tls' : 'auth';
    yield { path: [...section, key], message: `is of no use with memory:; give the url of a server, or leave it out` };
  }
  if (kind !== 'memory' && !PREFIX[kind].fits.test(prefix)) {
    const message = `is ${JSON.stringify(prefix)}, which ${kind} has no names for; give ${PREFIX[kind].right}`;
    yield { path: [...section, 'prefix'], message };
  }
  if ((tls?.cert === undefined) !== (tls?.key === undefined)) {
    yield { path: [...section, 'tls'], message: 'has one of cert and key; give both or none' };
  }
  if (auth !== undefined && kind !== 'memory') yield* authFaults([...section, 'auth'], kind, auth);
}

function* authFaults(
  path: readonly string[],
  kind: 'nats' | 'kafka',
  auth: NonNullable<ServerConfig['auth']>,
): Generator<Fault> {
  const { user, password, loginFile, mechanism, token, nkeySeed, credentialsFile } = auth;
  if ((user === undefined) !== (password === undefined)) {
    yield { path, message: 'has one of user and password; give both or none' };
    return;
  }
  const others = Object.entries({ token, nkeySeed, credentialsFile }).filter(([, value]) => value !== undefined);
  if (kind === 'kafka') {
    const [first] = others;
    if (first) yield { path: [...path, first[0]], message: 'is not for kafka; give mechanism, user and password' };
    else if ((user === undefined) === (loginFile === undefined) || mechanism === undefined) {
      yield { path, message: 'is incomplete; give mechanism, user and password (or mechanism and loginFile)' };
    }
    return;
  }
  if (mechanism !== undefined) yield { path: [...path, 'mechanism'], message: 'is not for nats; leave it out' };
  const logins = [user, loginFile].filter((login) => login !== undefined);
  if (others.length + logins.length !== 1) {
    yield { path, message: 'give one of user and password, loginFile, token, nkeySeed and credentialsFile' };
  }
}
