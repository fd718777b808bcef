/** How to reach a NATS server, and what to keep there. */
import type { Log } from '../../log.ts';

/** Who we are to the server: at most one of them, and TLS beside it. */
export interface NatsCredentials {
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** An nkey's seed, `SU…`. */
  readonly nkeySeed?: string;
  /** The content of a `.creds` file: a JWT and its seed. */
  readonly creds?: string | Uint8Array;
  /** PEM. The server's certificate is checked against `ca`; `cert` and `key` are ours. */
  readonly tls?: { readonly ca?: string | Buffer; readonly cert?: string | Buffer; readonly key?: string | Buffer };
}

/** A server, or the servers of one cluster. */
export interface NatsServer {
  /** `nats://host:port`, or `tls://host:port`. */
  readonly servers: string | readonly string[];
  readonly credentials?: NatsCredentials;
  /** What this process is called in the server's list of connections. @default tagalong */
  readonly name?: string;
  /** Hears of the connection, and of who comes and goes; absent: nobody does. */
  readonly log?: Log;
}

/** How streams are kept. */
export interface NatsKeeping {
  /** Begins the names of all streams and subjects: several installations may share a server. @default tagalong */
  readonly prefix?: string;
  /** `file` outlives the server's process; `memory` does not. @default file */
  readonly storage?: 'file' | 'memory';
  /** Copies in a cluster: 1, 3 or 5. @default 1 */
  readonly replicas?: number;
}

/** The bus. */
export interface NatsBusOptions extends NatsServer, NatsKeeping {
  /** Into how many partitions keys are divided. Fixed when an installation begins. @default 16 */
  readonly partitions?: number;
  /** An event is kept this long, handled or not. @default 7 days */
  readonly maxAgeMs?: number;
  /** Of more than this the oldest events are dropped, handled or not. @default 10 GB */
  readonly maxBytes?: number;
}

/** The store. */
export interface NatsStoreOptions extends NatsServer, NatsKeeping {}

/** A repeat of an event id is dropped this long after the first. */
export const DUPLICATE_WINDOW_MS = 120_000;

const DAY_MS = 86_400_000;

/** The options of the bus, with the defaults. */
export function withDefaults({
  prefix = 'tagalong',
  storage = 'file',
  replicas = 1,
  partitions = 16,
  maxAgeMs = 7 * DAY_MS,
  maxBytes = 10_000_000_000,
}: NatsBusOptions) {
  return { prefix, storage, replicas, partitions, maxAgeMs, maxBytes };
}
