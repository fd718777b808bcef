import { MAX_FRAME_BYTES, MIN_FRAME_BYTES } from './frames.ts';
import type { OwnDelay } from './silence.ts';

/** The receiver of messages. */
export interface Sink {
  /** Sends messages of these lengths. */
  send(lengthsBytes: readonly number[]): void;
  /** The bytes whose echo has not arrived. */
  readonly outstandingBytes: number;
}

/** After a stall, the load of at most this time is sent afterwards. */
const BACKLOG_MS = 100;
/** While this many bytes wait for their echo, no load is sent, so a stall does not fill the memory. The steady messages continue. */
const MIN_WINDOW_BYTES = 262_144;
const WINDOW_MS = 250;

/** Sends a message every interval, together with the load in pieces. Missed intervals are skipped. */
export class Pace {
  readonly #intervalMs: number;
  readonly #loadBps: number;
  readonly #ownDelay: OwnDelay;
  #timer: NodeJS.Timeout | undefined;

  constructor(intervalMs: number, loadBps: number, ownDelay: OwnDelay) {
    this.#intervalMs = intervalMs;
    this.#loadBps = loadBps;
    this.#ownDelay = ownDelay;
  }

  start(sink: Sink): void {
    const begunMs = performance.now();
    let lastMs = begunMs;
    let loadBytes = 0;
    const beat = () => {
      const nowMs = performance.now();
      this.#ownDelay.fired(nowMs);
      // Runs after everything that had arrived was read.
      setImmediate(() => this.#ownDelay.polled());
      loadBytes += (this.#loadBps * Math.min(nowMs - lastMs, BACKLOG_MS)) / 1000;
      lastMs = nowMs;
      const room = Math.max(MIN_WINDOW_BYTES, (this.#loadBps * WINDOW_MS) / 1000) - sink.outstandingBytes;
      const pieces = cut(Math.min(loadBytes, Math.max(0, room)));
      loadBytes = Math.min(loadBytes - sum(pieces), (this.#loadBps * BACKLOG_MS) / 1000);
      sink.send([MIN_FRAME_BYTES, ...pieces]);
      const beats = Math.floor((nowMs - begunMs) / this.#intervalMs) + 1;
      this.#wait(begunMs + beats * this.#intervalMs, beat);
    };
    beat();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#ownDelay.expect(Number.POSITIVE_INFINITY);
  }

  #wait(dueMs: number, beat: () => void): void {
    this.#ownDelay.expect(dueMs);
    this.#timer = setTimeout(beat, Math.max(1, Math.ceil(dueMs - performance.now())));
  }
}

/** Cuts a length into messages of the largest size and a smaller last one. A rest below the smallest message waits for the next time. */
function cut(lengthBytes: number): number[] {
  const pieces: number[] = [];
  for (let left = Math.floor(lengthBytes); left >= MIN_FRAME_BYTES; left -= MAX_FRAME_BYTES) {
    pieces.push(Math.min(left, MAX_FRAME_BYTES));
  }
  return pieces;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
