import { type Delivery, MAX_ATTEMPTS } from './bus.ts';

/** The most events of one batch: enough to hide the cost of a call, few enough to repeat after a refusal. */
export const MAX_BATCH = 10_000;

/** The events of one partition that a group has still to handle, in order. An event leaves when it is acknowledged. */
export class PartitionQueue<D extends Delivery = Delivery> {
  #deliveries: D[] = [];
  // All before the head is acknowledged. Shifting events out one by one would move the whole backlog each time.
  #head = 0;
  #inHand = 0;

  /** How many events are not acknowledged, including those in hand. */
  get size(): number {
    return this.#deliveries.length - this.#head;
  }

  /** True where an event waits and no batch is in hand. */
  get ready(): boolean {
    return this.#inHand === 0 && this.size > 0;
  }

  /** The events in order, including those in hand. */
  [Symbol.iterator](): Iterator<D> {
    return this.#deliveries.slice(this.#head).values();
  }

  /** Adds an event at the end. */
  push(delivery: D): void {
    this.#deliveries.push(delivery);
  }

  /** The next batch, which is in hand until it is acknowledged or refused. Call it only where the queue is `ready`. */
  take(): readonly D[] {
    const limit = Math.min(this.#deliveries.length, this.#head + MAX_BATCH);
    let end = this.#head + 1;
    // A refused event is tried alone, so that a poisoned one does not make its neighbours fail as well.
    if (this.#deliveries[this.#head]!.attempt === 1) {
      while (end < limit && this.#deliveries[end]!.attempt === 1) end++;
    }
    this.#inHand = end - this.#head;
    return this.#deliveries.slice(this.#head, end);
  }

  /** Removes the batch in hand. */
  acknowledge(): void {
    this.#head += this.#inHand;
    this.#inHand = 0;
    if (this.size === 0 || this.#head > Math.max(MAX_BATCH, this.size)) {
      this.#deliveries = this.#deliveries.slice(this.#head);
      this.#head = 0;
    }
  }

  /**
   * Puts the batch in hand back to the front, with one attempt more.
   * @returns the event that has had its last attempt, and is no longer in the queue; else undefined
   */
  refuse(): D | undefined {
    const first = this.#deliveries[this.#head]!;
    if (first.attempt >= MAX_ATTEMPTS) {
      this.acknowledge();
      return first;
    }
    const end = this.#head + this.#inHand;
    for (let i = this.#head; i < end; i++) {
      const delivery = this.#deliveries[i]!;
      this.#deliveries[i] = { ...delivery, attempt: delivery.attempt + 1 };
    }
    this.#inHand = 0;
    return undefined;
  }

  /** Puts `first` before all that waits, and drops of the rest what `keep` is false for. A batch in hand stays as it is. */
  beginWith(first: readonly D[], keep: (delivery: D) => boolean): void {
    const waiting = this.#head + this.#inHand;
    this.#deliveries = [
      ...this.#deliveries.slice(this.#head, waiting),
      ...first,
      ...this.#deliveries.slice(waiting).filter(keep),
    ];
    this.#head = 0;
  }
}
