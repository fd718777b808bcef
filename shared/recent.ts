/**
 * A set and a map of the most recent keys, in bounded space. Both have two generations: when the young one is full it becomes
 * the old one, and the old one is dropped. So they store at least the last `count` keys and at most twice as many. The cost of
 * an addition does not depend on the size, and never are all keys dropped at once. (A Set that deletes its oldest key at each
 * addition gets slow: its iterator has to skip the holes. An LRU cache would reorder its keys at each read, to no use here.)
 */

/** The most recent keys. It recognises every repeat among the last `count` keys, and never takes a new key for a repeat. */
export class RecentSet {
  readonly #count: number;
  #young = new Set<string>();
  #old = new Set<string>();

  /** @param count how many keys are remembered at least; from 1 on */
  constructor(count: number) {
    this.#count = count;
  }

  /** True if the key is in the set. */
  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key);
  }

  /** Adds a key. @returns false for a repeat */
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

  /** The key's last value; undefined if the key is not in the map. Reading a key does not make it younger. */
  get(key: string): V | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  /** Sets a value, and makes its key the youngest. @param value neither undefined nor null */
  set(key: string, value: V): void {
    if (this.#young.size >= this.#count && !this.#young.has(key)) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }

  delete(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}
