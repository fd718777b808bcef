import { execFile } from 'node:child_process';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';

/** The transport of a connection. */
export interface Transport {
  /** `tcp` also if the server or a middlebox refused MPTCP; `unknown` if the program `ss` is missing. */
  readonly transport: 'mptcp' | 'tcp' | 'unknown';
  /** The number of established subflows: 1 with plain TCP, 0 if unknown. */
  readonly subflows: number;
}

const run = promisify(execFile);
const TCP: Transport = { transport: 'tcp', subflows: 1 };

/**
 * Asks the kernel (`ss` of iproute2) for the transport of a connection of this process. The connection must be open.
 *
 * A connection that fell back to TCP still has `tcp-ulp-mptcp` in the list of TCP sockets, so the list of MPTCP sockets decides. It also
 * contains the token of the connection. The subflows are found by this token, because they have their own ports and addresses.
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

/**
 * Reads the output of `ss`.
 * @param mptcp the output of `ss -MniH` for the connection
 * @param tcp the output of `ss -tniH` for all connections
 */
export function readTransport(mptcp: string, tcp: string): Transport {
  const token = /\btoken:([0-9a-f]+)/.exec(mptcp)?.[1];
  if (token === undefined || /\bfallback\b/.test(mptcp)) return TCP;
  // Each socket has a line, and an indented line below it. The remote token comes first, then the local one.
  const sockets = tcp.split(/\n(?=\S)/);
  const own = new RegExp(`^ESTAB[^]*\\btoken:[0-9a-f]+\\(id:\\d+\\)/${token}\\(`);
  return { transport: 'mptcp', subflows: sockets.filter((socket) => own.test(socket)).length };
}
