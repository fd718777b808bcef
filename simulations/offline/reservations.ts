/** The moves that are planned at each site. */

/** Reservations are made by slots. */
const SLOT_MS = 5_000;

/** Reserves both sites of a move for its duration, so that no two planned moves share an uplink. */
export class Reservations {
  /** By index of the site: the slots that are taken. */
  readonly #taken = new Map<number, Set<number>>();

  /** True if neither site is reserved between two instants, in ms since the epoch. */
  isFree(a: number, b: number, fromMs: number, toMs: number): boolean {
    return this.#isFreeAt(a, fromMs, toMs) && this.#isFreeAt(b, fromMs, toMs);
  }

  /** Reserves both sites. */
  take(a: number, b: number, fromMs: number, toMs: number): void {
    for (const site of [a, b]) {
      const taken = this.#taken.get(site) ?? new Set();
      this.#taken.set(site, taken);
      for (let slot = slotOf(fromMs); slot <= slotOf(toMs); slot++) taken.add(slot);
    }
  }

  #isFreeAt(site: number, fromMs: number, toMs: number): boolean {
    const taken = this.#taken.get(site);
    if (taken === undefined) return true;
    for (let slot = slotOf(fromMs); slot <= slotOf(toMs); slot++) if (taken.has(slot)) return false;
    return true;
  }
}

function slotOf(atMs: number): number {
  return Math.floor(atMs / SLOT_MS);
}
