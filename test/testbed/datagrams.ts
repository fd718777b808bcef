/**
 * Sends datagrams and echoes them, to count and time them in a namespace.
 *
 *   datagrams.ts echo                                echoes each datagram; prints when it listens
 *   datagrams.ts send HOST COUNT EVERY_MS BYTES      prints the result as JSON
 */
import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';

const PORT = 7007;
/** The time to wait for missing answers. */
const PATIENCE_MS = 1500;

/** The result of the sent datagrams. */
export interface Sent {
  readonly answered: number;
  /** The round trips in ascending order. */
  readonly rttsMs: readonly number[];
  /** The time from the first datagram to the last answer. */
  readonly lastedMs: number;
}

const socket = createSocket('udp4');
const [mode, host, ...numbers] = process.argv.slice(2);
if (mode === 'echo') {
  socket.on('message', (message, from) => socket.send(message, from.port, from.address));
  socket.bind(PORT, () => process.stdout.write('listening\n'));
} else {
  const [count, everyMs, bytes] = numbers.map(Number) as [number, number, number];
  const rttsMs: number[] = [];
  const began = performance.now();
  let lastedMs = 0;
  socket.on('message', (message) => {
    rttsMs.push(performance.now() - message.readDoubleBE(0));
    lastedMs = performance.now() - began;
  });
  for (let i = 0; i < count; i++) {
    const message = Buffer.alloc(bytes);
    message.writeDoubleBE(performance.now(), 0);
    socket.send(message, PORT, host);
    if (everyMs > 0) await sleep(everyMs);
  }
  for (const untilMs = performance.now() + PATIENCE_MS; rttsMs.length < count && performance.now() < untilMs; ) {
    await sleep(10);
  }
  const sent: Sent = { answered: rttsMs.length, rttsMs: rttsMs.sort((a, b) => a - b), lastedMs };
  process.stdout.write(JSON.stringify(sent));
  socket.close();
}
