/** An echo service on loopback that can inject faults. */

import type { AddressInfo } from 'node:net';
import { createServer, type Socket } from 'node:net';

export interface Echo {
  readonly port: number;
  /** Number of all connections so far. */
  readonly connections: number;
  /** From now on, sends back `change(chunk)` for each chunk; undefined: the chunk itself. */
  damage(change: ((chunk: Buffer) => Buffer) | undefined): void;
  /** Holds all answers back for this time, then sends them. */
  pause(ms: number): Promise<void>;
  /** Ends all connections, with RST or with FIN. */
  cut(how: 'reset' | 'close'): void;
  close(): Promise<void>;
}

export async function echoServer(): Promise<Echo> {
  const sockets = new Set<Socket>();
  let change: ((chunk: Buffer) => Buffer) | undefined;
  let held: (() => void)[] | undefined;
  let connections = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      const answer = () => socket.writable && socket.write(change?.(chunk) ?? chunk);
      if (held) held.push(answer);
      else answer();
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    damage(next) {
      change = next;
    },
    async pause(ms) {
      held = [];
      await new Promise((over) => setTimeout(over, ms));
      const answers = held;
      held = undefined;
      for (const answer of answers) answer();
    },
    cut(how) {
      for (const socket of sockets) how === 'reset' ? socket.resetAndDestroy() : socket.end();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}
