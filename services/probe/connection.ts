import { createConnection, type Socket } from 'node:net';
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import { newFrame } from './frames.ts';
import type { Observations } from './observations.ts';
import type { Sink } from './pace.ts';
import { Verifier } from './verifier.ts';

const CONNECT_MS = 10_000;
const POLL_MS = 5;
/** The number of the next message. It counts over all connections, so no connection mistakes another one's echo for its own. */
let nextSeq = 0;

/** One connection to the echo service, with the messages whose echo has not arrived. */
export class Connection implements Sink {
  readonly socket: Socket;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
  /** Resolves when the first echo has arrived. */
  readonly answered: Promise<void>;
  readonly #verifier: Verifier;
  readonly #observations: Observations;

  private constructor(socket: Socket, observations: Observations) {
    this.socket = socket;
    this.#observations = observations;
    let answered = () => {};
    this.answered = new Promise((resolve) => {
      answered = resolve;
    });
    this.#verifier = new Verifier(observations.tally, (frame) => {
      observations.echoed(frame, this.#verifier.oldest);
      answered();
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', () => resolve());
    });
    // A close event follows each error.
    socket.on('error', () => {});
    socket.on('data', (chunk) => this.#verifier.receive(chunk));
    observations.connections++;
  }

  /** Connects to an echo service. @throws TagalongError SERVER_UNREACHABLE */
  static open(host: string, port: number, signal: AbortSignal, observations: Observations): Promise<Connection> {
    // Not the `signal` option of the socket, which would end the connection later, too, before the last echoes arrive.
    const late = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
    return new Promise((opened, failed) => {
      const socket = createConnection({ host, port, noDelay: true });
      const giveUp = () => socket.destroy(new Error(signal.aborted ? 'stopped' : 'no answer in time'));
      late.addEventListener('abort', giveUp, { once: true });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        late.removeEventListener('abort', giveUp);
        const reason = error.code ?? error.message;
        failed(
          new TagalongError(
            'SERVER_UNREACHABLE',
            `no echo service answers at ${host}:${port} (${reason}); start one there, or give its address`,
          ),
        );
      });
      socket.once('connect', () => {
        late.removeEventListener('abort', giveUp);
        socket.removeAllListeners('error');
        opened(new Connection(socket, observations));
      });
    });
  }

  get outstandingBytes(): number {
    return this.#verifier.outstandingBytes;
  }

  send(lengthsBytes: readonly number[]): void {
    if (this.socket.destroyed) return;
    this.socket.cork();
    for (const lengthBytes of lengthsBytes) {
      const frame = newFrame(nextSeq++, performance.now(), lengthBytes);
      this.#verifier.sent(frame);
      this.#observations.sent(frame);
      this.socket.write(frame.bytes);
    }
    this.socket.uncork();
  }

  /** Waits until all echoes have arrived, for `longestMs` at most. */
  async drain(longestMs: number): Promise<void> {
    const isDrained = () => this.outstandingBytes === 0 || this.socket.destroyed;
    await until(isDrained, { everyMs: POLL_MS, withinMs: longestMs });
  }

  /** Closes the connection. Messages without an echo count as lost. */
  end(): void {
    this.#verifier.end();
    this.socket.destroy();
  }
}
