import TinyQueue from 'tinyqueue';

/**
 * Whose deadline comes next. The deadline itself is the item's own `wakeAtMs`; entries that no longer agree with it are
 * dropped when they come up, so moving a deadline costs one push. Equal deadlines come up in the order they were set.
 */
export class Agenda<T extends { wakeAtMs: number }> {
  #queue = new TinyQueue<{ readonly atMs: number; readonly order: number; readonly item: T }>(
    [],
    (a, b) => a.atMs - b.atMs || a.order - b.order,
  );
  #order = 0;

  /** Sets an item's deadline; Infinity: none. */
  set(item: T, atMs: number): void {
    if (item.wakeAtMs === atMs) return;
    item.wakeAtMs = atMs;
    if (Number.isFinite(atMs)) this.#queue.push({ atMs, order: this.#order++, item });
  }

  /** Takes in an item that has its deadline already. */
  restore(item: T): void {
    const atMs = item.wakeAtMs;
    item.wakeAtMs = Number.POSITIVE_INFINITY;
    this.set(item, atMs);
  }

  /** The earliest deadline; undefined where there is none. */
  nextMs(): number | undefined {
    for (let head = this.#queue.peek(); head !== undefined; head = this.#queue.peek()) {
      if (head.item.wakeAtMs === head.atMs) return head.atMs;
      this.#queue.pop();
    }
    return undefined;
  }

  /** The item with the earliest deadline that has come; it keeps its deadline until it is set anew. */
  take(nowMs: number): T | undefined {
    const nextMs = this.nextMs();
    if (nextMs === undefined || nextMs > nowMs) return undefined;
    return this.#queue.pop()?.item;
  }
}
