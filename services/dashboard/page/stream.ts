/** Keeps the page connected: opens the stream of lines again when it ends. */
import type { Line } from '../wire.ts';
import { follow, Refused } from './api.ts';

const RECONNECT_MS = 2_000;

/**
 * Connects, and stays connected until the page is closed.
 * @param take called with each line
 * @param onLoss called when the connection is lost, with the time of the last line in milliseconds since the Unix epoch; called with
 * undefined when the server answers again
 */
export function stayConnected(
  take: (line: Line) => void,
  onLoss: (sinceMs: number | undefined) => void,
): { reconnect(): void } {
  let stream = new AbortController();
  let lost = false;
  let lastLineMs = Date.now();

  const receive = (line: Line) => {
    lastLineMs = Date.now();
    if (lost) onLoss(undefined);
    lost = false;
    take(line);
  };
  const run = async () => {
    for (;;) {
      stream = new AbortController();
      await follow(stream.signal, receive).catch((error) => {
        if (!isLoss(error)) throw error;
      });
      // The viewer has signed in or out, so connect again at once with or without the token.
      if (stream.signal.aborted) continue;
      lost = true;
      onLoss(lastLineMs);
      await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
    }
  };
  void run();
  return { reconnect: () => stream.abort() };
}

/** True for a lost connection; false for an error in the page itself. */
function isLoss(error: unknown): boolean {
  // `fetch` throws a TypeError if a stream breaks off or the server does not answer.
  return error instanceof Refused || error instanceof TypeError || error instanceof DOMException;
}
