import { Deadlines } from './deadlines.ts';

/**
 * Items in the order of their deadlines. Each item holds its deadline in `wakeAtMs`. A new deadline costs one push: the old entry
 * stays in the queue, and is dropped when it comes first and differs from the item's `wakeAtMs`. Items with equal deadlines come in
 * the order in which these were set.
 */
export class Agenda<T extends { wakeAtMs: number }> {
  readonly #deadlines = new Deadlines<T>();

  /** Sets the deadline of an item, in milliseconds since the Unix epoch; Infinity removes it. */
  set(item: T, atMs: number): void {
    if (item.wakeAtMs === atMs) return;
    item.wakeAtMs = atMs;
    if (Number.isFinite(atMs)) this.#deadlines.push(atMs, item);
  }

  /** Adds an item whose `wakeAtMs` is already set, as after a restart. */
  restore(item: T): void {
    const atMs = item.wakeAtMs;
    item.wakeAtMs = Number.POSITIVE_INFINITY;
    this.set(item, atMs);
  }

  /** The earliest deadline; undefined if there is none. */
  nextMs(): number | undefined {
    const deadlines = this.#deadlines;
    for (;;) {
      const atMs = deadlines.nextMs;
      if (atMs === undefined || deadlines.next!.wakeAtMs === atMs) return atMs;
      deadlines.pop();
    }
  }

  /** Removes and returns the first item that is due at `nowMs`; undefined if none is due. Its `wakeAtMs` stays as it is. */
  take(nowMs: number): T | undefined {
    const nextMs = this.nextMs();
    if (nextMs === undefined || nextMs > nowMs) return undefined;
    return this.#deadlines.pop();
  }
}
