/**
 * Translates the services of Docker Compose to one host's loopback: each `NAME:PORT` of a service becomes a free port. So both use
 * one set of files (compose.yaml, and the configurations of Tagalong, NATS and Prometheus).
 */
import { randomInt } from 'node:crypto';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** Maps a Compose service to its loopback address. */
export interface Loopback {
  /** @returns `127.0.0.1:PORT`; the same for the same arguments */
  address(service: string, port: number): string;
  /** Replaces every `NAME:PORT` in a text, and `0.0.0.0:PORT` by the port of the service that the text belongs to. */
  translate(text: string, of?: string): string;
}

/**
 * @param services the names to translate
 * @param freePorts one for each address
 */
export function loopback(services: readonly string[], freePorts: readonly number[]): Loopback {
  const unused = [...freePorts];
  const taken = new Map<string, number>();
  // Longest first, because a name may begin with another name.
  const names = services.toSorted((a, b) => b.length - a.length).join('|');
  const found = new RegExp(`(?<![\\w.-])(${names}|0\\.0\\.0\\.0):(\\d{1,5})\\b`, 'g');
  const address = (service: string, port: number) => {
    const key = `${service}:${port}`;
    const here = taken.get(key) ?? unused.shift();
    if (here === undefined) throw new RangeError('more addresses than ports');
    taken.set(key, here);
    return `127.0.0.1:${here}`;
  };
  return {
    address,
    translate: (text, of) =>
      text.replaceAll(found, (whole, host: string, port: string) => {
        const service = host === '0.0.0.0' ? of : host;
        return service === undefined ? whole : address(service, Number(port));
      }),
  };
}

/** Below the range of outgoing connections of Linux, so that none of them takes a port between the check and its use. */
const [FIRST_PORT, PAST_PORT] = [15_000, 32_000];

/** Finds free ports of the loopback, all different, for programs that cannot pick a port themselves. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  while (servers.length < count) {
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(randomInt(FIRST_PORT, PAST_PORT), '127.0.0.1', () => resolve(true));
    });
    if (isFree) servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
