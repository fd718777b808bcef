import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { TagalongError } from '#shared/errors.ts';

/** The environment variable with the address of the conductor, and the name and token of this process: `tcp://NAME:TOKEN@127.0.0.1:PORT`. */
export const CLOCK_VARIABLE = 'TAGALONG_CLOCK';
const LOOPBACK = ['127.0.0.1', '[::1]', 'localhost'];

/** A connection to a conductor, and what this process introduces itself with. */
export interface ClockConnection {
  readonly socket: Socket;
  readonly name: string;
  readonly token: string;
}

/**
 * Connects to the conductor.
 * @param address the value of {@link CLOCK_VARIABLE}
 * @throws TagalongError USAGE if the address is invalid or not on this host; SERVER_UNREACHABLE if nothing answers there
 */
export async function connectToClock(address: string): Promise<ClockConnection> {
  const url = URL.parse(address);
  if (url?.protocol !== 'tcp:' || !LOOPBACK.includes(url.hostname) || url.port === '' || url.username === '') {
    const right = 'give tcp://NAME:TOKEN@127.0.0.1:PORT, as "tagalong replay --processes" does';
    throw new TagalongError('USAGE', `${CLOCK_VARIABLE}: is not the address of a clock on this host; ${right}`);
  }
  const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) });
  await once(socket, 'connect').catch((cause) => {
    throw clockUnreachable(`no clock answers at port ${url.port}`, cause);
  });
  return { socket, name: decodeURIComponent(url.username), token: url.password };
}

/** The error about a conductor that does not answer, or does not expect this process. */
export function clockUnreachable(why: string, cause?: unknown): TagalongError {
  return new TagalongError('SERVER_UNREACHABLE', `${CLOCK_VARIABLE}: ${why}; start replay --processes again`, {
    cause,
  });
}
