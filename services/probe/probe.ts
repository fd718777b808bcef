/**
 * A client that measures one connection. It sends numbered messages to an echo service at a steady pace, compares every echoed byte with
 * the sent byte, and reports how long no echo arrived ({@link Silence} defines this gap).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from './connection.ts';
import { type Gap, Observations, type ProbeReport } from './observations.ts';
import { Pace } from './pace.ts';
import { type Transport, transportOf } from './transport.ts';

export type { Gap, ProbeReport } from './observations.ts';
export type { Transport } from './transport.ts';

/** The server and the settings of a probe. */
export interface ProbeOptions {
  /** The echo service. */
  readonly host: string;
  readonly port: number;
  /** The time between two messages. @default 5 */
  readonly intervalMs?: number;
  /** Shorter gaps are not reported. @default 50 */
  readonly gapMs?: number;
  /** Further bytes a second in each direction, in the same stream. @default 0 */
  readonly loadBps?: number;
  /** The probe ends after this time. @default never */
  readonly durationMs?: number;
  /** True: the probe counts a lost connection and opens another one. False: it ends, because a move must not end connections. @default false */
  readonly reconnect?: boolean;
}

/** A running probe. */
export interface Probe {
  /** Resolves when the probe has ended. Rejects with TagalongError SERVER_UNREACHABLE if it cannot open the first connection. */
  readonly done: Promise<ProbeReport>;
  /** Stops sending, waits two seconds at most for the last echoes, and ends the probe. */
  stop(): void;
  /** Sets the function that is called at the end of each gap, and for each lost connection. */
  onGap(listener: (gap: Gap) => void): void;
  /** Sets the function that is called for each connection when its first echo has arrived. */
  onConnected(listener: (transport: Transport) => void): void;
}

const DRAIN_MS = 2000;
const RECONNECT_MS = 100;

/** Starts a probe. It uses plain TCP unless the process runs under `mptcpize`. */
export function probe(options: ProbeOptions): Probe {
  return new RunningProbe(options);
}

class RunningProbe implements Probe {
  readonly done: Promise<ProbeReport>;
  readonly #options: ProbeOptions;
  readonly #observations: Observations;
  readonly #pace: Pace;
  readonly #stop = new AbortController();
  readonly #stopped: Promise<'stopped'>;
  #tellConnected: (transport: Transport) => void = () => {};

  constructor(options: ProbeOptions) {
    const { intervalMs = 5, gapMs = 50, loadBps = 0 } = options;
    this.#options = options;
    this.#observations = new Observations(gapMs);
    this.#pace = new Pace(intervalMs, loadBps, this.#observations.ownDelay);
    this.#stopped = new Promise((resolve) => {
      this.#stop.signal.addEventListener('abort', () => resolve('stopped'), { once: true });
    });
    this.done = this.#run();
  }

  stop(): void {
    this.#stop.abort();
  }

  onGap(listener: (gap: Gap) => void): void {
    this.#observations.onGap = listener;
  }

  onConnected(listener: (transport: Transport) => void): void {
    this.#tellConnected = listener;
  }

  async #run(): Promise<ProbeReport> {
    const { durationMs, reconnect = false } = this.#options;
    let connection: Connection | undefined = await this.#open();
    const timer = durationMs === undefined ? undefined : setTimeout(() => this.stop(), durationMs);
    let end: 'stopped' | 'lost' = 'stopped';
    while (connection !== undefined) {
      end = await this.#hold(connection);
      connection = end === 'lost' && reconnect ? await this.#openAgain() : undefined;
    }
    clearTimeout(timer);
    return this.#observations.report(this.#stop.signal.aborted ? 'stopped' : end);
  }

  #open(): Promise<Connection> {
    const { host, port } = this.#options;
    return Connection.open(host, port, this.#stop.signal, this.#observations);
  }

  /** Opens another connection; undefined if the probe is stopped first. */
  async #openAgain(): Promise<Connection | undefined> {
    const { signal } = this.#stop;
    // `retry` is not used here because a stop must end the pause at once.
    while (!signal.aborted) {
      try {
        return await this.#open();
      } catch {
        await sleep(RECONNECT_MS, undefined, { signal }).catch(() => {});
      }
    }
    return undefined;
  }

  /** Uses a connection until it is lost or the probe is stopped. */
  async #hold(connection: Connection): Promise<'stopped' | 'lost'> {
    void connection.answered
      .then(() => this.#look(connection))
      .then((transport) => transport !== undefined && this.#tellConnected(transport));
    this.#pace.start(connection);
    const end = await Promise.race([this.#stopped, connection.closed.then(() => 'lost' as const)]);
    this.#pace.stop();
    if (end === 'stopped') {
      await this.#look(connection);
      await connection.drain(DRAIN_MS);
    }
    connection.end();
    if (end === 'lost') this.#observations.lost();
    return end;
  }

  async #look(connection: Connection): Promise<Transport | undefined> {
    const transport = await transportOf(connection.socket);
    // The kernel does not list a connection that has been closed in the meantime.
    if (connection.socket.destroyed) return undefined;
    this.#observations.transport = transport;
    return transport;
  }
}
