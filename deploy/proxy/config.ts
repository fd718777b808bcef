import { isIP } from 'node:net';

/** An address to listen on; the host is an IP address. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The way in which HAProxy speaks MPTCP to the VM: natively, or under `mptcpize`, which opens its sockets. */
export type Means = 'native' | 'mptcpize';

/** @param versionText the output of `haproxy -v`; `mptcp@` addresses exist from 3.1 on */
export function meansOf(versionText: string): Means {
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(versionText) ?? [];
  return Number(major) * 1000 + Number(minor) >= 3001 ? 'native' : 'mptcpize';
}

/**
 * The configuration of a proxy that passes bytes on unchanged. It has no health check: a move pauses the VM for a moment, and
 * HAProxy must not close a connection because of the pause. It must not close a silent connection either.
 */
export function haproxyConfig(listen: Address, server: Address, socketPath: string, means: Means): string {
  const mptcp = means === 'native' ? `mptcp${isIP(server.host)}@` : '';
  return `global
  # Else a second proxy could take the same port, and half of the connections.
  noreuseport
  stats socket ${quoted(socketPath)} mode 600 level admin

defaults
  mode tcp
  timeout connect 10s
  timeout client 24h
  timeout server 24h
  option clitcpka
  option srvtcpka

frontend clients
  bind ${inUrl(listen)}
  default_backend vm

backend vm
  server vm ${mptcp}${inUrl(server)}
`;
}

function inUrl({ host, port }: Address): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Quotes a text, so that HAProxy reads it as one word. The characters of the pattern need a backslash. */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\$]/g, (character) => `\\${character}`)}"`;
}
