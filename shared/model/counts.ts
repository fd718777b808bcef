/** Counts by key. A key whose count is 0 takes no memory. */
export class Counts {
  readonly #counts = new Map<string, number>();

  /** @returns 0 for a key without a count */
  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** @param change added to the count; may be negative */
  add(key: string, change: number): void {
    const count = this.of(key) + change;
    if (count === 0) this.#counts.delete(key);
    else this.#counts.set(key, count);
  }
}
