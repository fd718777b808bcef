import { type Frame, MAGIC, MIN_FRAME_BYTES, seqAt } from './frames.ts';

/** Counts of the sent bytes by their fate: `sent = intact + lost + reordered + corrupted`, unless bytes arrived that were never sent. */
export interface Tally {
  sentBytes: number;
  /** Returned unchanged and in order. */
  intactBytes: number;
  /** Did not return. */
  lostBytes: number;
  /** Returned unchanged, but after later bytes. */
  reorderedBytes: number;
  /** Returned changed, or were never sent. */
  corruptedBytes: number;
}

/** If no message is recognised within this many bytes, all of them count as corrupted. */
const MAX_UNSORTED_BYTES = 262_144;
/** If more messages than this were overtaken, the oldest ones count as lost for good. */
const MAX_OVERTAKEN = 10_000;

/**
 * Compares the echoed bytes of one connection with the sent bytes. After damaged data it continues at the next message that it
 * recognises, and counts only those bytes as corrupted that differ.
 */
export class Verifier {
  readonly #tally: Tally;
  readonly #echoed: (frame: Frame) => void;
  /** The messages without an echo, in the order in which they were sent. */
  readonly #outstanding = new Map<number, Frame>();
  /** The messages whose echo was overtaken by a later one. They count as lost until their echo arrives. */
  readonly #overtaken = new Map<number, Frame>();
  #outstandingBytes = 0;
  #rest: Buffer = Buffer.alloc(0);

  /** @param echoed called with each message that returned, changed or not */
  constructor(tally: Tally, echoed: (frame: Frame) => void) {
    this.#tally = tally;
    this.#echoed = echoed;
  }

  /** The oldest message without an echo. */
  get oldest(): Frame | undefined {
    return this.#outstanding.values().next().value;
  }

  /** The bytes whose echo has not arrived. */
  get outstandingBytes(): number {
    return this.#outstandingBytes;
  }

  sent(frame: Frame): void {
    this.#outstanding.set(frame.seq, frame);
    this.#outstandingBytes += frame.bytes.length;
    this.#tally.sentBytes += frame.bytes.length;
  }

  /** Receives echoed bytes. */
  receive(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length > 0 && (this.#takeNext() || this.#findBack()));
  }

  /** No more bytes will arrive. The missing bytes count as lost. */
  end(): void {
    if (this.#rest.length > 0) this.#settle([...this.#outstanding.values()], this.#rest.length, true);
    this.#tally.lostBytes += this.#outstandingBytes;
    this.#outstandingBytes = 0;
    this.#outstanding.clear();
  }

  /** Consumes the next message if it is complete and unchanged. */
  #takeNext(): boolean {
    const frame = this.oldest;
    if (frame === undefined || this.#rest.length < frame.bytes.length) return false;
    if (frame.bytes.compare(this.#rest, 0, frame.bytes.length) !== 0) return false;
    this.#tally.intactBytes += frame.bytes.length;
    this.#consume(frame.bytes.length);
    this.#answered(frame);
    return true;
  }

  /** Other bytes have arrived than expected: finds the next message in them. @returns false if that needs more bytes */
  #findBack(): boolean {
    const { oldest } = this;
    if (oldest !== undefined && startsWith(oldest.bytes, this.#rest)) return false;
    for (let at = 0; ; at++) {
      at = this.#rest.indexOf(MAGIC, at);
      if (at < 0 || at + MIN_FRAME_BYTES > this.#rest.length) break;
      const seq = seqAt(this.#rest, at);
      const frame = this.#outstanding.get(seq) ?? this.#overtaken.get(seq);
      // This is the expected message with damage inside. The next message shows how much of it there is.
      if (frame === undefined || (at === 0 && frame === oldest)) continue;
      if (frame.bytes.compare(this.#rest, at, at + MIN_FRAME_BYTES, 0, MIN_FRAME_BYTES) !== 0) continue;
      return this.#overtaken.has(seq) ? this.#takeLate(frame, at) : this.#skipTo(frame, at);
    }
    // No message is outstanding, or the damaged part is too long.
    const hopeless = this.#outstanding.size + this.#overtaken.size === 0 || this.#rest.length > MAX_UNSORTED_BYTES;
    if (hopeless) this.#settle([...this.#outstanding.values()], this.#rest.length, true);
    return hopeless;
  }

  /** Continues at an outstanding message. Messages before it were overtaken, or the bytes before `at` are what is left of them. */
  #skipTo(frame: Frame, at: number): boolean {
    const before: Frame[] = [];
    for (const other of this.#outstanding.values()) {
      if (other === frame) break;
      before.push(other);
    }
    if (at > 0) this.#settle(before, at, false);
    else for (const other of before) this.#overtake(other);
    return true;
  }

  #takeLate(frame: Frame, at: number): boolean {
    if (at > 0) {
      const { oldest } = this;
      this.#settle(oldest ? [oldest] : [], at, false);
      return true;
    }
    const { length } = frame.bytes;
    if (this.#rest.length < length) return false;
    const { corrupted } = difference(frame.bytes, this.#rest.subarray(0, length));
    this.#tally.lostBytes -= length;
    this.#tally.reorderedBytes += length - corrupted;
    this.#tally.corruptedBytes += corrupted;
    this.#overtaken.delete(frame.seq);
    this.#consume(length);
    this.#echoed(frame);
    return true;
  }

  /** Counts the first bytes as the echo of these messages. @param partly true if they may be the echo of the first messages only */
  #settle(frames: readonly Frame[], lengthBytes: number, partly: boolean): void {
    let expected = 0;
    const concerned = frames.filter(({ bytes }) => {
      if (partly && expected >= lengthBytes) return false;
      expected += bytes.length;
      return true;
    });
    const sent = Buffer.concat(concerned.map(({ bytes }) => bytes));
    const { lost, corrupted } = difference(sent, this.#rest.subarray(0, lengthBytes));
    this.#tally.lostBytes += lost;
    this.#tally.corruptedBytes += corrupted;
    this.#tally.intactBytes += Math.max(0, expected - lost - corrupted);
    this.#consume(lengthBytes);
    for (const frame of concerned) this.#answered(frame);
  }

  #overtake(frame: Frame): void {
    this.#remove(frame);
    this.#tally.lostBytes += frame.bytes.length;
    this.#overtaken.set(frame.seq, frame);
    const [first] = this.#overtaken.keys();
    if (this.#overtaken.size > MAX_OVERTAKEN && first !== undefined) this.#overtaken.delete(first);
  }

  #answered(frame: Frame): void {
    this.#remove(frame);
    this.#echoed(frame);
  }

  #remove(frame: Frame): void {
    if (this.#outstanding.delete(frame.seq)) this.#outstandingBytes -= frame.bytes.length;
  }

  #consume(lengthBytes: number): void {
    this.#rest = this.#rest.subarray(lengthBytes);
  }
}

/** The numbers of bytes that are missing and that differ, if one stretch of the sent bytes was replaced by another. */
export function difference(sent: Buffer, got: Buffer): { readonly lost: number; readonly corrupted: number } {
  const shorter = Math.min(sent.length, got.length);
  if (sent.length === got.length) {
    let corrupted = 0;
    for (let i = 0; i < shorter; i++) if (sent[i] !== got[i]) corrupted++;
    return { lost: 0, corrupted };
  }
  let head = 0;
  while (head < shorter && sent[head] === got[head]) head++;
  let tail = 0;
  while (tail < shorter - head && sent[sent.length - 1 - tail] === got[got.length - 1 - tail]) tail++;
  const lost = Math.max(0, sent.length - got.length);
  return { lost, corrupted: got.length - head - tail };
}

function startsWith(whole: Buffer, part: Buffer): boolean {
  return part.length < whole.length && whole.compare(part, 0, part.length, 0, part.length) === 0;
}
