/** Opens the bus and the store of a configuration. It loads only the client library that they need. */
import type { Bus } from './bus/bus.ts';
import { contentOf as readNamed } from './config/files.ts';
import type { Config, ServerConfig } from './config/schema.ts';
import { serverUrl } from './config/server.ts';
import { TagalongError } from './errors.ts';
import type { Log } from './log.ts';
import type { Store } from './store/store.ts';

/**
 * Opens the bus.
 * @throws TagalongError CONFIG_UNREADABLE where a file of `auth` or `tls` cannot be read, BUS_UNREACHABLE and what else the
 * adapter throws
 */
export async function openBus({ bus }: Config, log: Log): Promise<Bus> {
  const { kind, hosts } = serverUrl(bus.url)!;
  const { partitions, retentionMs, auditRetentionMs } = bus;
  const locationRetentionMs = Math.min(bus.locationRetentionMs, retentionMs);
  if (kind === 'memory') {
    const { memoryBus } = await import('./bus/memory.ts');
    return memoryBus({ partitions });
  }
  if (kind === 'nats') {
    const { natsBus } = await import('./bus/nats/bus.ts');
    return natsBus({
      ...(await natsServer(bus, hosts)),
      log,
      partitions,
      maxAgeMs: retentionMs,
      auditMaxAgeMs: auditRetentionMs,
      locationMaxAgeMs: locationRetentionMs,
    });
  }
  const { kafkaBus } = await import('./bus/kafka/bus.ts');
  const kept = { retentionMs, auditRetentionMs, locationRetentionMs };
  return kafkaBus({ ...(await kafkaServer(bus, hosts, log)), partitions, ...kept });
}

/**
 * Opens the store.
 * @throws TagalongError CONFIG_UNREADABLE where a file of `auth` or `tls` cannot be read, STORE_UNREACHABLE and what else the
 * adapter throws
 */
export async function openStore({ bus, store }: Config, log: Log): Promise<Store> {
  const { kind, hosts } = serverUrl(store.url)!;
  const { auth, tls } = bus;
  const server = store.url === bus.url ? { ...(auth && { auth }), ...(tls && { tls }), ...store } : store;
  if (kind === 'memory') {
    const { memoryStore } = await import('./store/memory.ts');
    return memoryStore();
  }
  if (kind === 'nats') {
    const { natsStore } = await import('./store/nats.ts');
    return natsStore({ ...(await natsServer(server, hosts)), log });
  }
  const { kafkaStore } = await import('./store/kafka.ts');
  return kafkaStore(await kafkaServer(server, hosts, log));
}

/**
 * Options for the NATS adapters, made from the server's configuration.
 * @throws TagalongError CONFIG_UNREADABLE where a file of `auth` or `tls` cannot be read, or has no login
 */
export async function natsServer({ prefix, replicas, auth, tls }: Omit<ServerConfig, 'url'>, hosts: readonly string[]) {
  const { user, password, token, nkeySeed, credentialsFile } = await withLogin(auth);
  const credentials = {
    ...(user !== undefined && { user }),
    ...(password !== undefined && { password }),
    ...(token !== undefined && { token }),
    ...(nkeySeed !== undefined && { nkeySeed }),
    ...(credentialsFile !== undefined && { creds: await contentOf(credentialsFile) }),
    ...(tls && { tls: await pems(tls) }),
  };
  return { servers: hosts.map((host) => `nats://${host}`), credentials, prefix, replicas };
}

async function kafkaServer({ prefix, replicas, auth, tls }: ServerConfig, brokers: readonly string[], log: Log) {
  const { user, password, mechanism } = await withLogin(auth);
  return {
    ...{ brokers, prefix, replication: replicas, log },
    ...(mechanism && { sasl: { mechanism, username: user!, password: password! } }),
    ...(tls && { tls: await pems(tls) }),
  };
}

/** The credentials, with user and password of a `loginFile`. */
async function withLogin(auth: ServerConfig['auth'] = {}): Promise<NonNullable<ServerConfig['auth']>> {
  if (auth.loginFile === undefined) return auth;
  const [, user, password] = /^([^:\s]+):(\S+)\s*$/.exec(await contentOf(auth.loginFile)) ?? [];
  if (user === undefined || password === undefined) {
    const message = `${auth.loginFile}: has no login; write USER:PASSWORD into it, in one line`;
    throw new TagalongError('CONFIG_UNREADABLE', message);
  }
  return { ...auth, user, password };
}

async function pems({ ca, cert, key }: NonNullable<ServerConfig['tls']>) {
  return {
    ...(ca !== undefined && { ca: await contentOf(ca) }),
    ...(cert !== undefined && { cert: await contentOf(cert) }),
    ...(key !== undefined && { key: await contentOf(key) }),
  };
}

const contentOf = async (path: string) => (await readNamed(path, 'a file that is there')).toString();
