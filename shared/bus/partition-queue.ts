import { type Delivery, MAX_ATTEMPTS } from './bus.ts';

/** The most events a handler is given at once: enough to hide what a call costs, few enough to repeat after a refusal. */
export const MAX_BATCH = 10_000;

/** What one group has still to handle of one partition, in order. An event leaves when it is acknowledged. */
export class PartitionQueue<D extends Delivery = Delivery> {
  #deliveries: D[] = [];
  // Everything before the head has been acknowledged; shifting one by one would cost a move of the whole backlog.
  #head = 0;
  #inHand = 0;

  /** Events not yet acknowledged, those in hand included. */
  get size(): number {
    return this.#deliveries.length - this.#head;
  }

  /** True: there is something to take, and nobody has a batch in hand. */
  get ready(): boolean {
    return this.#inHand === 0 && this.size > 0;
  }

  /** The events in order, those in hand included. */
  [Symbol.iterator](): Iterator<D> {
    return this.#deliveries.slice(this.#head).values();
  }

  push(delivery: D): void {
    this.#deliveries.push(delivery);
  }

  /** The next batch, which is in hand until it is acknowledged or refused. Only where the queue is `ready`. */
  take(): readonly D[] {
    const limit = Math.min(this.#deliveries.length, this.#head + MAX_BATCH);
    let end = this.#head + 1;
    // What was refused before is tried alone, so that a poisoned event does not take its neighbours with it.
    if (this.#deliveries[this.#head]!.attempt === 1) {
      while (end < limit && this.#deliveries[end]!.attempt === 1) end++;
    }
    this.#inHand = end - this.#head;
    return this.#deliveries.slice(this.#head, end);
  }

  /** The batch in hand is handled. */
  acknowledge(): void {
    this.#head += this.#inHand;
    this.#inHand = 0;
    if (this.size === 0 || this.#head > Math.max(MAX_BATCH, this.size)) {
      this.#deliveries = this.#deliveries.slice(this.#head);
      this.#head = 0;
    }
  }

  /**
   * The batch in hand was refused: it stays at the front, its next attempt counted.
   * @returns the event that has had its last attempt, and is no longer in the queue
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

  /** Puts `first` before all that waits, and keeps of the rest what `keep` says. A batch in hand stays as it is. */
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
