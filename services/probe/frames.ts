/**
 * The messages of a probe. Each says how long it is, which one it is and when it was sent; the rest is filled with bytes
 * that follow from its number, so that whoever has the number can tell whether a byte is right:
 *
 * ```
 * 0  "TGPB"   4  length in bytes, u32   8  number, f64   16  sent at, f64 (ms of performance.now)   24  filler
 * ```
 */

/** A message as it was sent. */
export interface Frame {
  readonly seq: number;
  /** When it was sent, by performance.now. */
  readonly sentMs: number;
  readonly bytes: Buffer;
}

/** First bytes of every message. */
export const MAGIC = Buffer.from('TGPB');
/** The smallest message: by so many bytes a message is also recognised among damaged ones. */
export const MIN_FRAME_BYTES = 32;
/** The largest: small enough that the echoes of a slow load do not look like gaps. */
export const MAX_FRAME_BYTES = 4096;

const SEQ_AT = 8;
const FILLER_AT = 24;
const BLOCK_BYTES = 65_536;
const block = randomBlock();

export function newFrame(seq: number, sentMs: number, lengthBytes: number): Frame {
  const bytes = Buffer.allocUnsafe(lengthBytes);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(lengthBytes, 4);
  bytes.writeDoubleLE(seq, SEQ_AT);
  bytes.writeDoubleLE(sentMs, 16);
  // Neighbours begin far apart in the block: one that was put in another's place shows.
  const from = (Math.imul(seq, 0x9e3779b1) >>> 0) % (BLOCK_BYTES - MAX_FRAME_BYTES);
  block.copy(bytes, FILLER_AT, from, from + lengthBytes - FILLER_AT);
  return { seq, sentMs, bytes };
}

/** The number of the message that begins there, should one begin there. */
export function seqAt(bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + SEQ_AT);
}

/** The same in every process (xorshift32). */
function randomBlock(): Buffer {
  const bytes = Buffer.allocUnsafe(BLOCK_BYTES);
  let x = 0x2545f491;
  for (let at = 0; at < BLOCK_BYTES; at += 4) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes.writeInt32LE(x | 0, at);
  }
  return bytes;
}
