/**
 * The messages of a probe. Each contains its length, its number and the time when it was sent. The filler follows from the number, so
 * the reader of an echo can check each byte:
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

/** The first bytes of every message. */
export const MAGIC = Buffer.from('TGPB');
/** The smallest message. This many bytes suffice to recognise a message in damaged data. */
export const MIN_FRAME_BYTES = 32;
/** The largest message. It is small enough that the echoes of a slow load do not look like gaps. */
export const MAX_FRAME_BYTES = 4096;

const SEQ_AT = 8;
const FILLER_AT = 24;
const BLOCK_BYTES = 65_536;
const block = randomBlock();

/** Makes a message. @param sentMs the present instant, by performance.now */
export function newFrame(seq: number, sentMs: number, lengthBytes: number): Frame {
  const bytes = Buffer.allocUnsafe(lengthBytes);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(lengthBytes, 4);
  bytes.writeDoubleLE(seq, SEQ_AT);
  bytes.writeDoubleLE(sentMs, 16);
  // The fillers of successive messages begin far apart in the block, so exchanged messages are recognised.
  const from = (Math.imul(seq, 0x9e3779b1) >>> 0) % (BLOCK_BYTES - MAX_FRAME_BYTES);
  block.copy(bytes, FILLER_AT, from, from + lengthBytes - FILLER_AT);
  return { seq, sentMs, bytes };
}

/** The number of the message that begins at `at`, if one begins there. */
export function seqAt(bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + SEQ_AT);
}

/** Pseudo-random bytes (xorshift32), the same in every process. */
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
