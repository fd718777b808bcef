/**
 * Memory of what was seen last, in bounded space. Both have two generations: when the young one is full it becomes the old one,
 * and the old one is dropped. So they remember at least the last `count` keys and at most twice as many, adding costs the same at
 * any size, and they never forget everything at once. (A Set from which the oldest is deleted one by one gets slow: its iterator
 * has to step over the holes. An LRU cache would reorder its keys at each read, which nobody needs here.)
 */

/** Keys that were seen last. A repeat among the last `count` keys is always known as one, and a new key is never taken for one. */
export class RecentSet {
  readonly #count: number;
  #young = new Set<string>();
  #old = new Set<string>();

  /** @param count how many keys are remembered at least; from 1 on */
  constructor(count: number) {
    this.#count = count;
  }

  /** True where the key is remembered. */
  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key);
  }

  /** Remembers a key. @returns false for a repeat */
  add(key: string): boolean {
    if (this.has(key)) return false;
    if (this.#young.size >= this.#count) {
      this.#old = this.#young;
      this.#young = new Set();
    }
    this.#young.add(key);
    return true;
  }
}

/** The values of the keys that were set last. */
export class RecentMap<V> {
  readonly #count: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  /** @param count how many keys are remembered at least; from 1 on */
  constructor(count: number) {
    this.#count = count;
  }

  /** The value that was set last; undefined where the key is not remembered. To read a key does not make it younger. */
  get(key: string): V | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  /** Remembers a value, and makes its key the youngest. @param value not undefined, not null */
  set(key: string, value: V): void {
    if (this.#young.size >= this.#count && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  /** Forgets a key. */
  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}
