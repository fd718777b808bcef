/** Limits the open connections of one address, so that one client cannot take all that the server accepts. */
import { BlockList, isIP, isIPv6, type Server, type Socket } from 'node:net';
import type { HttpConfig } from '#shared/config/schema.ts';

type Limits = Pick<HttpConfig, 'connections' | 'connectionsPerAddress' | 'trustedProxies'>;

/**
 * Closes connections beyond `http.connections`, and those of one address beyond `http.connectionsPerAddress`, before they are read. The
 * connections of a trusted proxy are those of many clients, so only the first limit applies to them.
 */
export function limitConnections(server: Server, { connections, connectionsPerAddress, trustedProxies }: Limits): void {
  server.maxConnections = connections;
  const open = new Map<string, number>();
  const isProxy = matcherOf(trustedProxies);
  server.on('connection', (socket: Socket) => {
    const address = withoutMapping(socket.remoteAddress ?? '');
    if (isProxy(address)) return;
    const network = networkOf(address);
    const count = (open.get(network) ?? 0) + 1;
    if (count > connectionsPerAddress) return void socket.destroy();
    open.set(network, count);
    socket.once('close', () => {
      const left = open.get(network)! - 1;
      if (left === 0) open.delete(network);
      else open.set(network, left);
    });
  });
}

/** An IPv4 client of a server that listens on IPv6 has an address such as `::ffff:192.0.2.1`. */
function withoutMapping(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/** The address, or its /64 with IPv6: one client usually has all addresses of such a network. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail = ''] = address.replace(/%.*$/, '').split('::');
  const groupsOf = (part: string) => (part === '' ? [] : part.split(':'));
  const [before, after] = [groupsOf(head), groupsOf(tail)];
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  return [...before, ...zeros, ...after].slice(0, 4).join(':');
}

/** @param ranges addresses, or ranges such as `10.0.0.0/8` */
function matcherOf(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    if (bits === undefined) list.addAddress(address, familyOf(address));
    else list.addSubnet(address, Number(bits), familyOf(address));
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address));
}
