import { createConnection, type Socket } from 'node:net';
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import { newFrame } from './frames.ts';
import type { Observations } from './observations.ts';
import type { Sink } from './pace.ts';
import { Verifier } from './verifier.ts';

const CONNECT_MS = 10_000;
const POLL_MS = 5;
/** Over all connections, so that none can take another's echo for its own. */
let nextSeq = 0;

/** One connection to the echo service, and what is on its way over it. */
export class Connection implements Sink {
  readonly socket: Socket;
  /** Resolves when it has ended, by whomever. */
  readonly closed: Promise<void>;
  /** Resolves when the first echo has come. */
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
    // What happened is in the close that follows.
    socket.on('error', () => {});
    socket.on('data', (chunk) => this.#verifier.take(chunk));
    observations.connections++;
  }

  /** @throws TagalongError SERVER_UNREACHABLE */
  static open(host: string, port: number, signal: AbortSignal, observations: Observations): Promise<Connection> {
    // Not the socket's own signal: that would also end it later, with messages on their way.
    const late = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
    return new Promise((opened, failed) => {
      const socket = createConnection({ host, port, noDelay: true });
      const giveUp = () => socket.destroy(new Error(signal.aborted ? 'stopped' : 'it takes too long'));
      late.addEventListener('abort', giveUp, { once: true });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        late.removeEventListener('abort', giveUp);
        const reason = error.code ?? error.message;
        failed(new TagalongError('SERVER_UNREACHABLE', `no echo service answers at ${host}:${port} (${reason})`));
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

  /** Waits for what is on its way. */
  async drain(longestMs: number): Promise<void> {
    const isDrained = () => this.outstandingBytes === 0 || this.socket.destroyed;
    await until(isDrained, { everyMs: POLL_MS, withinMs: longestMs });
  }

  /** Nothing more is sent or waited for. */
  end(): void {
    this.#verifier.end();
    this.socket.destroy();
  }
}
