import { Deadlines } from './deadlines.ts';

/**
 * Items in order of their deadlines. A deadline is the item's own `wakeAtMs`. Moving it costs one push: an entry that no longer
 * agrees with its item is dropped when its turn comes. Equal deadlines come in the order in which they were set.
 */
export class Agenda<T extends { wakeAtMs: number }> {
  readonly #deadlines = new Deadlines<T>();

  /** Sets an item's deadline, in milliseconds since the epoch; Infinity: none. */
  set(item: T, atMs: number): void {
    if (item.wakeAtMs === atMs) return;
    item.wakeAtMs = atMs;
    if (Number.isFinite(atMs)) this.#deadlines.push(atMs, item);
  }

  /** Adds an item that has its deadline already, as after a restart. */
  restore(item: T): void {
    const atMs = item.wakeAtMs;
    item.wakeAtMs = Number.POSITIVE_INFINITY;
    this.set(item, atMs);
  }

  /** The earliest deadline; undefined where there is none. */
  nextMs(): number | undefined {
    const deadlines = this.#deadlines;
    for (;;) {
      const atMs = deadlines.nextMs;
      if (atMs === undefined || deadlines.next!.wakeAtMs === atMs) return atMs;
      deadlines.pop();
    }
  }

  /** The item with the earliest deadline, where that has come; else undefined. It keeps `wakeAtMs` until that is set anew. */
  take(nowMs: number): T | undefined {
    const nextMs = this.nextMs();
    if (nextMs === undefined || nextMs > nowMs) return undefined;
    return this.#deadlines.pop();
  }
}
