/**
 * Measures how long no echo arrived although one should have.
 *
 * Let one echo arrive at time A, and the next one at time B. The messages are sent at intervals, so even on a perfect connection no echo
 * arrives for the interval between A's message and the message after it. The **gap** is the time beyond that interval:
 *
 *     gap = (B − A) − (sent of the message after A's − sent of A's message) − own delay at B
 *
 * A steady stream has no gap, however long its round trip is. If the path is dead for a second, the gap is a second, even if the messages
 * of that second arrive later. The own delay is how long the probe itself may have left the echo unread ({@link OwnDelay}).
 */
export class Silence {
  #lastEchoMs: number | undefined;
  /** When the message of the last echo was sent. */
  #lastSentMs = 0;
  /** When the oldest message without an echo was sent, or should have been sent. */
  #owedSinceMs: number | undefined;

  /** A message was sent. */
  sent(atMs: number): void {
    this.#owedSinceMs ??= atMs;
  }

  /**
   * An echo has arrived.
   * @param sentMs when its message was sent
   * @param nextSentMs when the oldest other message without an echo was sent; undefined if there is none
   * @param ownDelayMs how long the probe may have left the echo unread
   * @returns the gap that ends with this echo; 0 if there was none
   */
  echo(atMs: number, sentMs: number, nextSentMs: number | undefined, ownDelayMs: number): number {
    const gapMs = Math.max(0, this.until(atMs) - ownDelayMs);
    this.#lastEchoMs = atMs;
    this.#lastSentMs = Math.max(this.#lastSentMs, sentMs);
    this.#owedSinceMs = nextSentMs;
    return gapMs;
  }

  /** The length of the gap if it ends at `atMs`. */
  until(atMs: number): number {
    if (this.#lastEchoMs === undefined || this.#owedSinceMs === undefined) return 0;
    return Math.max(0, atMs - this.#lastEchoMs - Math.max(0, this.#owedSinceMs - this.#lastSentMs));
  }
}

/** Measures the delay of the probe itself: without this, a busy processor would look like a silent network. */
export class OwnDelay {
  /** The longest delay of a timer. */
  longestMs = 0;
  #nextDueMs = Number.POSITIVE_INFINITY;
  #lateMs = 0;

  /** Sets the time at which the next timer should fire. */
  expect(dueMs: number): void {
    this.#nextDueMs = dueMs;
  }

  /** The timer fires now. Data that is read before `polled` may have waited as long as the timer was late. */
  fired(nowMs: number): void {
    this.#lateMs = this.#overdueMs(nowMs);
    this.#nextDueMs = Number.POSITIVE_INFINITY;
  }

  /** All data that had arrived has been read. */
  polled(): void {
    this.#lateMs = 0;
  }

  /** The longest time for which data that is read at `nowMs` may have waited. */
  at(nowMs: number): number {
    return Math.max(this.#lateMs, this.#overdueMs(nowMs));
  }

  #overdueMs(nowMs: number): number {
    const lateMs = Math.max(0, nowMs - this.#nextDueMs);
    this.longestMs = Math.max(this.longestMs, lateMs);
    return lateMs;
  }
}
