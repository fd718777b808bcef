/**
 * A client that watches one connection: it sends numbered messages to an echo service at a steady pace, holds every byte
 * that comes back against what was sent, and says how long nothing came ({@link Silence} has the definition).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from './connection.ts';
import { type Gap, Observations, type ProbeReport } from './observations.ts';
import { Pace } from './pace.ts';
import { type Transport, transportOf } from './transport.ts';

export type { Gap, ProbeReport } from './observations.ts';
export type { Transport } from './transport.ts';

/** What is probed, and how. */
export interface ProbeOptions {
  /** The echo service. */
  readonly host: string;
  readonly port: number;
  /** Between two messages. Default 5. */
  readonly intervalMs?: number;
  /** Gaps from this length on are told. Default 50. */
  readonly gapMs?: number;
  /** Bytes a second that flow each way beside the messages, in the same stream. Default 0. */
  readonly loadBps?: number;
  /** Ends by itself after this time. Default: never. */
  readonly durationMs?: number;
  /** True: a lost connection is counted and made anew. Default: it is the end, because one connection is the promise. */
  readonly reconnect?: boolean;
}

/** A probe that runs. */
export interface Probe {
  /** Rejects with TagalongError SERVER_UNREACHABLE where the first connection cannot be made. */
  readonly done: Promise<ProbeReport>;
  /** Sends no more, waits for what is on its way, for two seconds at most, and ends. */
  stop(): void;
  /** Told of each gap as it ends, and of each lost connection. */
  onGap(listener: (gap: Gap) => void): void;
  /** Told of each connection when its first echo has come. */
  onConnected(listener: (transport: Transport) => void): void;
}

const DRAIN_MS = 2000;
const RECONNECT_MS = 100;

/** Begins to probe. Over plain TCP, unless the process runs under `mptcpize`. */
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
    // One that has closed meanwhile is in no list any more.
    if (connection.socket.destroyed) return;
    observations.transport = transport;
    return transport;
  };

  /** Holds a connection until it is lost, or long enough. */
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

  /** Undefined where it is stopped before it succeeds. */
  const openAgain = async (): Promise<Connection | undefined> => {
    // Not `retry`: a stop ends the pause at once.
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
      observations.told = listener;
    },
    onConnected(listener) {
      tellConnected = listener;
    },
  };
}
