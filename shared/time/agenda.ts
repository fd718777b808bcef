import { Deadlines } from './deadlines.ts';

/**
 * Whose deadline comes next. The deadline itself is the item's own `wakeAtMs`; entries that no longer agree with it are
 * dropped when they come up, so moving a deadline costs one push. Equal deadlines come up in the order they were set.
 */
export class Agenda<T extends { wakeAtMs: number }> {
  readonly #deadlines = new Deadlines<T>();

  /** Sets an item's deadline; Infinity: none. */
  set(item: T, atMs: number): void {
    if (item.wakeAtMs === atMs) return;
    item.wakeAtMs = atMs;
    if (Number.isFinite(atMs)) this.#deadlines.push(atMs, item);
  }

  /** Takes in an item that has its deadline already. */
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

  /** The item with the earliest deadline that has come; it keeps its deadline until it is set anew. */
  take(nowMs: number): T | undefined {
    const nextMs = this.nextMs();
    if (nextMs === undefined || nextMs > nowMs) return undefined;
    return this.#deadlines.pop();
  }
}
