/**
 * A queue of deadlines: the earliest comes first; equal deadlines come in the order in which they were added. Each step of each move
 * uses it, so it is fast: a binary heap with separate arrays for times, order and items. A comparison needs neither a call nor an object.
 *
 * shared/time holds pure queues and counters; the linter forbids the machine's clock there. shared/clock holds clocks and waiting.
 */
export class Deadlines<T> {
  readonly #atMs: number[] = [];
  readonly #order: number[] = [];
  readonly #items: T[] = [];
  #given = 0;

  /** The earliest deadline; undefined if there is none. */
  get nextMs(): number | undefined {
    return this.#items.length > 0 ? this.#atMs[0] : undefined;
  }

  /** The item with the earliest deadline; undefined if there is none. */
  get next(): T | undefined {
    return this.#items[0];
  }

  /** Adds a deadline. */
  push(atMs: number, item: T): void {
    const order = this.#given++;
    let hole = this.#items.length;
    this.#atMs.push(atMs);
    this.#order.push(order);
    this.#items.push(item);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      // The new entry comes after entries with an equal deadline.
      if (this.#atMs[parent]! <= atMs) break;
      this.#move(parent, hole);
      hole = parent;
    }
    this.#put(hole, atMs, order, item);
  }

  /** Removes the earliest deadline. @returns its item; undefined if there is none */
  pop(): T | undefined {
    const item = this.#items[0];
    const atMs = this.#atMs.pop();
    const order = this.#order.pop();
    const last = this.#items.pop();
    if (this.#items.length > 0) this.#sink(atMs!, order!, last!);
    return item;
  }

  /** Inserts an entry at the root, and moves it down to its place. */
  #sink(atMs: number, order: number, item: T): void {
    const { length } = this.#items;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= length) break;
      if (child + 1 < length && this.#before(child + 1, this.#atMs[child]!, this.#order[child]!)) child++;
      if (!this.#before(child, atMs, order)) break;
      this.#move(child, hole);
      hole = child;
    }
    this.#put(hole, atMs, order, item);
  }

  #before(i: number, atMs: number, order: number): boolean {
    const its = this.#atMs[i]!;
    return its < atMs || (its === atMs && this.#order[i]! < order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#atMs[from]!, this.#order[from]!, this.#items[from]!);
  }

  #put(i: number, atMs: number, order: number, item: T): void {
    this.#atMs[i] = atMs;
    this.#order[i] = order;
    this.#items[i] = item;
  }
}
