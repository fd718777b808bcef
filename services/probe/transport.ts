import { execFile } from 'node:child_process';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';

/** What carries a connection. */
export interface Transport {
  /** `tcp` also where MPTCP was asked for and the other side, or somebody between, refused it; `unknown` without `ss`. */
  readonly transport: 'mptcp' | 'tcp' | 'unknown';
  /** Established subflows: the paths in use. 1 with plain TCP, 0 where unknown. */
  readonly subflows: number;
}

const run = promisify(execFile);
const TCP: Transport = { transport: 'tcp', subflows: 1 };

/**
 * Asks the kernel, by `ss` of iproute2, what a connection of ours is. Must be called while it is open.
 *
 * A connection that fell back to TCP keeps its `tcp-ulp-mptcp` in the list of TCP sockets; only the list of MPTCP sockets
 * tells, and has the token by which the subflows are found: additional ones have ports and addresses of their own.
 */
export async function transportOf({ localPort, remotePort }: Socket): Promise<Transport> {
  try {
    const filter = `sport = :${localPort} and dport = :${remotePort}`;
    const [mptcp, tcp] = await Promise.all([run('ss', ['-MniH', filter]), run('ss', ['-tniH'])]);
    return readTransport(mptcp.stdout, tcp.stdout);
  } catch {
    return { transport: 'unknown', subflows: 0 };
  }
}

/** @param mptcp what `ss -MniH` says of the connection @param tcp what `ss -tniH` says of all */
export function readTransport(mptcp: string, tcp: string): Transport {
  const token = /\btoken:([0-9a-f]+)/.exec(mptcp)?.[1];
  if (token === undefined || /\bfallback\b/.test(mptcp)) return TCP;
  // Each socket has a line, and one below it that is indented. Tokens are the remote one, then ours.
  const sockets = tcp.split(/\n(?=\S)/);
  const own = new RegExp(`^ESTAB[^]*\\btoken:[0-9a-f]+\\(id:\\d+\\)/${token}\\(`);
  return { transport: 'mptcp', subflows: sockets.filter((socket) => own.test(socket)).length };
}
