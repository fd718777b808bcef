/** The address of a NATS server, and the settings of its streams. */
import type { Log } from '../log.ts';

/** Credentials. At most one of user and password, token, nkey or creds; TLS goes with any of them. */
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
  /** The name of this process in the server's list of connections. @default tagalong */
  readonly name?: string;
  /** Receives a line when the connection is lost or regained, and when members of groups join or leave. */
  readonly log?: Log;
}

/** The settings of streams. */
export interface NatsKeeping {
  /** The prefix of all streams and subjects, so that installations can share a server. @default tagalong */
  readonly prefix?: string;
  /** With `file` the data outlives the server's process, with `memory` it does not. @default file */
  readonly storage?: 'file' | 'memory';
  /** Copies in a cluster: 1, 3 or 5. @default 1 */
  readonly replicas?: number;
}
