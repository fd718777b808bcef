import { type Frame, MAGIC, MIN_FRAME_BYTES, seqAt } from './frames.ts';

/** What became of the bytes that were sent; `sent = intact + lost + reordered + corrupted` where nothing was added. */
export interface Tally {
  sentBytes: number;
  /** Came back as they were sent, in their place. */
  intactBytes: number;
  /** Never came back. */
  lostBytes: number;
  /** Came back whole, after later ones. */
  reorderedBytes: number;
  /** Came back changed, or were never sent. */
  corruptedBytes: number;
}

/** Damage without an end of it in sight: whatever is in so many bytes is not worth sorting out. */
const MAX_UNSORTED_BYTES = 262_144;
/** Of more overtaken messages the oldest are taken for lost. */
const MAX_OVERTAKEN = 10_000;

/**
 * Compares what comes back on one connection with what was sent, byte by byte. After damage it goes on from the next
 * message that it recognises, and blames no more bytes than differ.
 */
export class Verifier {
  readonly #tally: Tally;
  readonly #echoed: (frame: Frame) => void;
  /** In the order in which they were sent. */
  readonly #outstanding = new Map<number, Frame>();
  /** A later one has come back already. Counted as lost, until they come after all. */
  readonly #overtaken = new Map<number, Frame>();
  #outstandingBytes = 0;
  #rest: Buffer = Buffer.alloc(0);

  /** @param echoed is told of each message that came back, changed or not */
  constructor(tally: Tally, echoed: (frame: Frame) => void) {
    this.#tally = tally;
    this.#echoed = echoed;
  }

  /** The oldest message that is waited for. */
  get oldest(): Frame | undefined {
    return this.#outstanding.values().next().value;
  }

  /** What is on its way. */
  get outstandingBytes(): number {
    return this.#outstandingBytes;
  }

  sent(frame: Frame): void {
    this.#outstanding.set(frame.seq, frame);
    this.#outstandingBytes += frame.bytes.length;
    this.#tally.sentBytes += frame.bytes.length;
  }

  take(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length > 0 && (this.#takeNext() || this.#findBack()));
  }

  /** Nothing more will come: what is missing now is lost. */
  end(): void {
    if (this.#rest.length > 0) this.#settle([...this.#outstanding.values()], this.#rest.length, true);
    this.#tally.lostBytes += this.#outstandingBytes;
    this.#outstandingBytes = 0;
    this.#outstanding.clear();
  }

  /** Takes the next message where it is as it should be, and whole. */
  #takeNext(): boolean {
    const frame = this.oldest;
    if (frame === undefined || this.#rest.length < frame.bytes.length) return false;
    if (frame.bytes.compare(this.#rest, 0, frame.bytes.length) !== 0) return false;
    this.#tally.intactBytes += frame.bytes.length;
    this.#consume(frame.bytes.length);
    this.#answered(frame);
    return true;
  }

  /** Something else is there: finds out where the stream goes on. False where that cannot be said yet. */
  #findBack(): boolean {
    const { oldest } = this;
    if (oldest !== undefined && startsWith(oldest.bytes, this.#rest)) return false;
    for (let at = 0; ; at++) {
      at = this.#rest.indexOf(MAGIC, at);
      if (at < 0 || at + MIN_FRAME_BYTES > this.#rest.length) break;
      const seq = seqAt(this.#rest, at);
      const frame = this.#outstanding.get(seq) ?? this.#overtaken.get(seq);
      // The next one itself, with damage inside: what follows it tells how much of it there is.
      if (frame === undefined || (at === 0 && frame === oldest)) continue;
      if (frame.bytes.compare(this.#rest, at, at + MIN_FRAME_BYTES, 0, MIN_FRAME_BYTES) !== 0) continue;
      return this.#overtaken.has(seq) ? this.#takeLate(frame, at) : this.#skipTo(frame, at);
    }
    // Nobody is waited for, or the damage has no end.
    const hopeless = this.#outstanding.size + this.#overtaken.size === 0 || this.#rest.length > MAX_UNSORTED_BYTES;
    if (hopeless) this.#settle([...this.#outstanding.values()], this.#rest.length, true);
    return hopeless;
  }

  /** Goes on at a message that is waited for. Those before it were overtaken, or are what lies before it. */
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

  /** The first so many bytes are what has become of these messages. @param partly perhaps not of all of them */
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

/** How many bytes are missing, and how many are others than were sent: as if one stretch had been replaced by another. */
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
