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
  const { host, port, intervalMs = 5, gapMs = 50, loadBps = 0, durationMs, reconnect = false } = options;
  const observations = new Observations(gapMs);
  const pace = new Pace(intervalMs, loadBps, observations.ownDelay);
  const stop = new AbortController();
  const stopped = new Promise<'stopped'>((resolve) => {
    stop.signal.addEventListener('abort', () => resolve('stopped'), { once: true });
  });
  let tellConnected: (transport: Transport) => void = () => {};

  const look = async (connection: Connection) => {
    const transport = await transportOf(connection.socket);
    // The kernel does not list a connection that has been closed in the meantime.
    if (connection.socket.destroyed) return;
    observations.transport = transport;
    return transport;
  };

  /** Uses a connection until it is lost or the probe is stopped. */
  const hold = async (connection: Connection): Promise<'stopped' | 'lost'> => {
    void connection.answered
      .then(() => look(connection))
      .then((transport) => transport !== undefined && tellConnected(transport));
    pace.start(connection);
    const end = await Promise.race([stopped, connection.closed.then(() => 'lost' as const)]);
    pace.stop();
    if (end === 'stopped') {
      await look(connection);
      await connection.drain(DRAIN_MS);
    }
    connection.end();
    if (end === 'lost') observations.lost();
    return end;
  };

  /** Opens another connection; undefined if the probe is stopped first. */
  const openAgain = async (): Promise<Connection | undefined> => {
    // `retry` is not used here because a stop must end the pause at once.
    while (!stop.signal.aborted) {
      try {
        return await Connection.open(host, port, stop.signal, observations);
      } catch {
        await sleep(RECONNECT_MS, undefined, { signal: stop.signal }).catch(() => {});
      }
    }
    return undefined;
  };

  const run = async (): Promise<ProbeReport> => {
    let connection: Connection | undefined = await Connection.open(host, port, stop.signal, observations);
    const timer = durationMs === undefined ? undefined : setTimeout(() => stop.abort(), durationMs);
    let end: 'stopped' | 'lost' = 'stopped';
    while (connection !== undefined) {
      end = await hold(connection);
      connection = end === 'lost' && reconnect ? await openAgain() : undefined;
    }
    clearTimeout(timer);
    return observations.report(stop.signal.aborted ? 'stopped' : end);
  };

  return {
    done: run(),
    stop: () => stop.abort(),
    onGap(listener) {
      observations.onGap = listener;
    },
    onConnected(listener) {
      tellConnected = listener;
    },
  };
}
