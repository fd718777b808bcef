/**
 * Translates the services of Docker Compose to one host's loopback: each `NAME:PORT` of a service becomes a free port. So both use
 * one set of files (compose.yaml, and the configurations of Tagalong, NATS and Prometheus).
 */
import { randomInt } from 'node:crypto';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { retry } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';

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

/** Another process would have to take a port of each try in the moment between. */
const MAX_TRIES = 5;

/** Finds free ports of the loopback, all different, for programs that cannot pick a port themselves. Prefer {@link onFreePorts}. */
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

/**
 * Starts programs at free ports. Where another process has taken one in between, it starts them again at other ports.
 * @param start leaves nothing running where it rejects; a taken port is a TagalongError PORT_UNAVAILABLE
 * @param pick finds that many free ports
 * @throws what `start` throws, also after ports were taken five times
 */
export function onFreePorts<T>(
  count: number,
  start: (ports: readonly number[]) => Promise<T>,
  pick: (count: number) => Promise<readonly number[]> = freePorts,
): Promise<T> {
  const isPassing = (error: unknown) => error instanceof TagalongError && error.code === 'PORT_UNAVAILABLE';
  return retry(async () => start(await pick(count)), { everyMs: 0, tries: MAX_TRIES, isPassing });
}

/** The error of a program that has ended: PORT_UNAVAILABLE where it says that its port is taken (EADDRINUSE); else undefined. */
export function portTaken(name: string, output: string): TagalongError | undefined {
  if (!/address already in use|EADDRINUSE/i.test(output)) return undefined;
  return new TagalongError(
    'PORT_UNAVAILABLE',
    `${name}: another process listens at its port; stop that process, or start again at another port`,
  );
}
