/**
 * Prices of the uplinks of sites, by slots of time: what a byte costs that a move sends from a site, or to it, within a slot. A bound for
 * runs under contention adds these prices to the costs of moves.
 */

/** Length of a slot, in ms. */
export const SLOT_MS = 10_000;
/** A move is priced as if it copied within at most so many slots; a longer copy is assumed to pay nothing but its slowness. */
const MOST_SLOTS = 16;

/** The figures of moves that prices need. */
export interface SlotSettings {
  readonly sites: number;
  /** The first instant, in ms since the epoch, and the number of slots after it. */
  readonly fromMs: number;
  readonly slots: number;
  /** By site: the most bytes that all moves from it, or to it, can send in a slot. */
  readonly bytesPerSlot: Float64Array;
  /** The least that a move sends, in bytes. */
  readonly moveBytes: number;
  /** The longest duration of a move that shares nothing, in ms. */
  readonly aloneMs: number;
  /** What a second by which a move lasts longer than alone costs at least, in user-milliseconds. */
  readonly slowUserMsPerS: number;
}

/** Prices of one direction, from sites or to them. */
export class SlotPrices {
  readonly #settings: SlotSettings;
  /** By site and slot: the price of a byte, in user-milliseconds. */
  readonly perByte: Float64Array;
  /** By site and slot: the bytes that planned moves send. */
  readonly used: Float64Array;
  /** By site and slot: the least price of a move that switches over in the slot, in user-milliseconds. */
  readonly #moves: Float64Array;

  constructor(settings: SlotSettings) {
    const length = settings.sites * settings.slots;
    this.#settings = settings;
    this.perByte = new Float64Array(length);
    this.used = new Float64Array(length);
    this.#moves = new Float64Array(length);
  }

  /** The slot of an instant, within the first and the last one. */
  slotOf(atMs: number): number {
    const { fromMs, slots } = this.#settings;
    return Math.min(slots - 1, Math.max(0, Math.floor((atMs - fromMs) / SLOT_MS)));
  }

  /** Call after changes of `perByte`. */
  update(): void {
    const { sites, slots } = this.#settings;
    for (let site = 0; site < sites; site++) {
      let pricedUntil = -1;
      for (let slot = 0; slot < slots; slot++) {
        const at = site * slots + slot;
        if (this.perByte[at]! > 0) pricedUntil = slot + MOST_SLOTS;
        this.#moves[at] = slot < pricedUntil ? this.#cheapest(site, slot).userMs : 0;
      }
    }
  }

  /** The least price of a move that switches over in one of these slots. */
  least(site: number, first: number, last: number): number {
    const from = site * this.#settings.slots;
    let least = this.#moves[from + first]!;
    for (let slot = first + 1; slot <= last && least > 0; slot++) least = Math.min(least, this.#moves[from + slot]!);
    return least;
  }

  /** Adds the bytes of a move that switches over in one of these slots, where they cost least. */
  use(site: number, first: number, last: number): void {
    const { slots, moveBytes, bytesPerSlot } = this.#settings;
    const from = site * slots;
    let best = first;
    for (let slot = first; slot <= last; slot++) if (this.#moves[from + slot]! < this.#moves[from + best]!) best = slot;
    let left = moveBytes;
    for (const slot of this.#byPrice(site, best, this.#cheapest(site, best).slots)) {
      const bytes = Math.min(left, bytesPerSlot[site]!);
      this.used[from + slot]! += bytes;
      left -= bytes;
      if (left <= 0) return;
    }
  }

  /** The cheapest copy that ends in a slot: its price, and in how many slots it copies. */
  #cheapest(site: number, last: number): { userMs: number; slots: number } {
    const { moveBytes, bytesPerSlot, slowUserMsPerS, aloneMs, slots } = this.#settings;
    const needed = Math.ceil(moveBytes / bytesPerSlot[site]!);
    // A copy that touches n slots takes more than n - 2 of them. A move pays for half of that in each direction.
    const slowUserMs = (n: number) => (0.5 * slowUserMsPerS * Math.max(0, (n - 2) * SLOT_MS - aloneMs)) / 1000;
    let best = { userMs: slowUserMs(Math.max(needed, MOST_SLOTS) + 1), slots: Math.max(needed, MOST_SLOTS) + 1 };
    for (let n = needed; n <= MOST_SLOTS; n++) {
      let [left, userMs] = [moveBytes, slowUserMs(n)];
      if (userMs >= best.userMs) break;
      for (const slot of this.#byPrice(site, last, n)) {
        const bytes = Math.min(left, bytesPerSlot[site]!);
        if (slot >= 0) userMs += bytes * this.perByte[site * slots + slot]!;
        left -= bytes;
        if (left <= 0) break;
      }
      if (userMs < best.userMs) best = { userMs, slots: n };
    }
    return best;
  }

  /** The last `count` slots up to one, the cheapest first. Slots before the first one are negative, and cost nothing. */
  #byPrice(site: number, last: number, count: number): number[] {
    const price = (slot: number) => (slot < 0 ? 0 : this.perByte[site * this.#settings.slots + slot]!);
    // Equally cheap ones: the last ones first.
    return Array.from({ length: count }, (_, i) => last - i).sort((a, b) => price(a) - price(b));
  }
}
