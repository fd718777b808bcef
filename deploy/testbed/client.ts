/** A client of a VM in the test bed: a probe in the client's namespace that holds one connection. */
import type { Gap, ProbeReport, Transport } from '#services/probe/probe.ts';
import { watchChild } from '#shared/child.ts';
import type { Network } from './network.ts';

const MAIN = new URL('../cli/main.ts', import.meta.url).pathname;

export interface BedClient {
  /** Resolves with the first answer. Rejects if the connection fails. */
  readonly connected: Promise<Transport>;
  onGap(listener: (gap: Gap) => void): void;
  /** Stops the probe. @returns its report */
  stop(): Promise<ProbeReport>;
}

/** The settings of a client. */
export interface ClientOptions {
  /** Location of the client: a client's namespace, or a site for a program at its edge. */
  readonly at: string;
  readonly host: string;
  readonly port?: number;
  readonly mptcp: boolean;
  readonly intervalMs?: number;
  readonly loadBps?: number;
}

/** The guest's echo service. */
const ECHO_PORT = 7;

export function bedClient(network: Network, options: ClientOptions): BedClient {
  const { at, host, port = ECHO_PORT, mptcp, intervalMs = 5, loadBps = 0 } = options;
  const to = ['--to', `${host}:${port}`, '--interval-ms', `${intervalMs}`, '--load-bps', `${loadBps}`, '--json', '-'];
  const connected = Promise.withResolvers<Transport>();
  const ended = Promise.withResolvers<ProbeReport>();
  // A caller may ignore each of the two promises.
  connected.promise.catch(() => {});
  ended.promise.catch(() => {});
  let told: (gap: Gap) => void = () => {};
  const spawned = network.spawn(at, [process.execPath, MAIN, 'probe', ...to, mptcp ? '--mptcp' : '--tcp'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const child = watchChild(spawned, {
    onLine(line, from) {
      if (from === 'stderr') return;
      const { event, ...data } = JSON.parse(line) as { event: 'connected' | 'gap' | 'report' };
      if (event === 'connected') connected.resolve(data as unknown as Transport);
      else if (event === 'gap') told(data as unknown as Gap);
      else ended.resolve(data as unknown as ProbeReport);
    },
  });
  void child.ended.then(() => {
    const error = new Error(`the probe ended: ${child.lastWords}`);
    connected.reject(error);
    ended.reject(error);
  });
  return {
    connected: connected.promise,
    onGap(listener) {
      told = listener;
    },
    stop() {
      child.signal('SIGTERM');
      return ended.promise;
    },
  };
}
