/** How to reach a NATS server, and what to keep there. */
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
  /** What this process is called in the server's list of connections. @default tagalong */
  readonly name?: string;
  /** Gets a line when the connection is lost or regained, and when members of groups come or go. */
  readonly log?: Log;
}

/** How the server keeps streams. */
export interface NatsKeeping {
  /** Begins the names of all streams and subjects: several installations may share a server. @default tagalong */
  readonly prefix?: string;
  /** `file` outlives the server's process; `memory` does not. @default file */
  readonly storage?: 'file' | 'memory';
  /** Copies in a cluster: 1, 3 or 5. @default 1 */
  readonly replicas?: number;
}
