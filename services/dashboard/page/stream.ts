/** Staying connected: the stream of lines, begun again where it ends. */
import type { Line } from '../wire.ts';
import { follow, Refused } from './api.ts';

const RECONNECT_MS = 2_000;

/**
 * @param take each line
 * @param lose told since when the server does not answer, in milliseconds since the Unix epoch; undefined: it does again
 */
export function stayConnected(
  take: (line: Line) => void,
  lose: (sinceMs: number | undefined) => void,
): { reconnect(): void } {
  let stream = new AbortController();
  let lost = false;
  let heardMs = Date.now();

  const heard = (line: Line) => {
    heardMs = Date.now();
    if (lost) lose(undefined);
    lost = false;
    take(line);
  };
  const run = async () => {
    for (;;) {
      stream = new AbortController();
      await follow(stream.signal, heard).catch((error) => {
        if (!isLoss(error)) throw error;
      });
      // The viewer signed in or out: connect again at once, as the other kind of viewer.
      if (stream.signal.aborted) continue;
      lost = true;
      lose(heardMs);
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  };
  void run();
  return { reconnect: () => stream.abort() };
}

/** Anything but a fault of our own. */
function isLoss(error: unknown): boolean {
  // A stream that breaks off is a TypeError, as is a server that is not there.
  return error instanceof Refused || error instanceof TypeError || error instanceof DOMException;
}
