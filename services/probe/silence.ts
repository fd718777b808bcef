/**
 * How long no echo came that should have come.
 *
 * Let an echo arrive at A, and the next one, whichever it is, at B. Of the time from A to B the schedule itself leaves
 * without an echo what lies between the sending of A's message and that of the message after it. The **gap** is the rest:
 *
 *     gap = (B − A) − (sent of the message after A's − sent of A's message) − own delay at B
 *
 * A steady stream has no gap, however long the way is; one whose path is dead for a second has a gap of a second, in
 * whatever state the messages of that second arrive. Own delay is how long the probe itself may have left the echo
 * unread ({@link OwnDelay}): a gap is only credited beyond it.
 */
export class Silence {
  #lastEchoMs: number | undefined;
  /** When the message was sent whose echo was the last to come. */
  #lastSentMs = 0;
  /** When the first message was sent, or was to be sent, whose echo has not come. */
  #owedSinceMs: number | undefined;

  /** A message was sent. */
  sent(atMs: number): void {
    this.#owedSinceMs ??= atMs;
  }

  /**
   * An echo has come.
   * @param sentMs when its message was sent
   * @param nextSentMs when the oldest of the other messages was sent that are waited for; undefined: none is
   * @param ownDelayMs how long the probe may have left it unread
   * @returns the gap that this ends, 0 where there was none
   */
  echo(atMs: number, sentMs: number, nextSentMs: number | undefined, ownDelayMs: number): number {
    const gapMs = Math.max(0, this.until(atMs) - ownDelayMs);
    this.#lastEchoMs = atMs;
    this.#lastSentMs = Math.max(this.#lastSentMs, sentMs);
    this.#owedSinceMs = nextSentMs;
    return gapMs;
  }

  /** The gap so far, were it to end now. */
  until(atMs: number): number {
    if (this.#lastEchoMs === undefined || this.#owedSinceMs === undefined) return 0;
    return Math.max(0, atMs - this.#lastEchoMs - Math.max(0, this.#owedSinceMs - this.#lastSentMs));
  }
}

/** How late the probe is itself: a process that gets no processor cannot tell that from a network that brings nothing. */
export class OwnDelay {
  /** The longest that a timer came too late. */
  longestMs = 0;
  #nextDueMs = Number.POSITIVE_INFINITY;
  #lateMs = 0;

  /** The next timer is to fire then. */
  expect(dueMs: number): void {
    this.#nextDueMs = dueMs;
  }

  /** The timer fires now. Until `polled`, whatever is read may have waited for as long as the timer did. */
  fired(nowMs: number): void {
    this.#lateMs = this.#overdueMs(nowMs);
    this.#nextDueMs = Number.POSITIVE_INFINITY;
  }

  /** All that had come by now has been read. */
  polled(): void {
    this.#lateMs = 0;
  }

  /** How long something that is read now may have waited. */
  at(nowMs: number): number {
    return Math.max(this.#lateMs, this.#overdueMs(nowMs));
  }

  #overdueMs(nowMs: number): number {
    const lateMs = Math.max(0, nowMs - this.#nextDueMs);
    this.longestMs = Math.max(this.longestMs, lateMs);
    return lateMs;
  }
}
