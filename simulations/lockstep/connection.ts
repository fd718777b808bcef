import type { Socket } from 'node:net';

/** One end of a connection that carries JSON messages, one a line. */
export interface Connection<Out> {
  /** Sends a message; messages keep their order. Does nothing once the connection has ended. */
  send(message: Out): void;
  close(): void;
  /** Resolves when either end has closed the connection and `receive` has got all messages. */
  readonly closed: Promise<void>;
}

/** @param receive gets each message of the other end, in order, from the next turn of the event loop on */
export function connection<In, Out>(socket: Socket, receive: (message: In) => void): Connection<Out> {
  socket.setNoDelay(true);
  // A killed process resets the connection. That is the same as a close.
  socket.on('error', () => {});
  let rest = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) receive(JSON.parse(line) as In);
  });
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  return {
    send(message) {
      if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
    },
    close: () => void socket.destroy(),
    closed,
  };
}
