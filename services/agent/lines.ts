/** Lines from a socket whose other end is not trusted. */
import type { Socket } from 'node:net';

/** Limits of the bytes accepted from a peer. */
export interface LineLimits {
  /** The longest line, in bytes. */
  readonly lineBytes: number;
  /** All lines together, in bytes. @default no limit */
  readonly allBytes?: number;
}

const LINE_END = 0x0a;

/**
 * Calls `take` with each line, without its end. Buffers one line at most, and reads each byte once. Destroys a socket that sends
 * more than its limits, or a line for which `take` throws.
 */
export function readLines(socket: Socket, { lineBytes, allBytes }: LineLimits, take: (line: string) => void): void {
  let pieces: Buffer[] = [];
  let held = 0;
  let all = 0;
  const hold = (piece: Buffer) => {
    held += piece.length;
    if (held > lineBytes) throw new Error(`a line has more than ${lineBytes} bytes`);
    pieces.push(piece);
  };
  const read = (piece: Buffer) => {
    all += piece.length;
    if (allBytes !== undefined && all > allBytes) throw new Error(`it has more than ${allBytes} bytes`);
    let from = 0;
    for (let end = piece.indexOf(LINE_END); end >= 0; end = piece.indexOf(LINE_END, from)) {
      hold(piece.subarray(from, end));
      from = end + 1;
      const line = Buffer.concat(pieces, held).toString();
      pieces = [];
      held = 0;
      take(line);
      if (socket.destroyed) return;
    }
    if (from < piece.length) hold(piece.subarray(from));
  };
  socket.on('data', (piece: Buffer) => {
    if (socket.destroyed) return;
    try {
      read(piece);
    } catch (error) {
      pieces = [];
      socket.destroy(error as Error);
    }
  });
}
