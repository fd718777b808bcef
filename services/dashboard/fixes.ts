/**
 * The positions of users in the last hour, in a ring of typed arrays with a bounded size. The ring stores a position of each user every
 * {@link EVERY_MS} at most: 10,000 moving users fill 1.8 million of its {@link MOST} entries. New positions overwrite the oldest ones.
 */

/** The shortest time between two stored positions of a user. */
export const EVERY_MS = 20_000;
/** The most entries. Each has 20 bytes, so 40 MB. */
const MOST = 2_000_000;
/** Stands in entries whose user was erased; no user ever gets this number. */
const NOBODY = 2 ** 32 - 1;
/** The entries at the start. The arrays double when they are full. */
const FIRST = 4_096;

/** A past position of a user, given by number. `lat` and `lon` are whole numbers, as on the wire. */
export interface PastFix {
  readonly user: number;
  readonly atMs: number;
  readonly lat: number;
  readonly lon: number;
}

/** The ring. Positions arrive approximately in the order of time; a position that arrives late may appear a few seconds late. */
export class Fixes {
  readonly #most: number;
  #atMs: Float64Array;
  #user: Uint32Array;
  #lat: Int32Array;
  #lon: Int32Array;
  /** The index of the next entry. */
  #next = 0;
  #size = 0;

  constructor(most = MOST) {
    this.#most = most;
    const first = Math.min(FIRST, most);
    this.#atMs = new Float64Array(first);
    this.#user = new Uint32Array(first);
    this.#lat = new Int32Array(first);
    this.#lon = new Int32Array(first);
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a position. @param lat and `lon`: whole numbers, as on the wire */
  add(user: number, atMs: number, lat: number, lon: number): void {
    if (this.#next === this.#atMs.length && this.#next < this.#most) this.#grow();
    if (this.#next === this.#most) this.#next = 0;
    this.#atMs[this.#next] = atMs;
    this.#user[this.#next] = user;
    this.#lat[this.#next] = lat;
    this.#lon[this.#next] = lon;
    this.#next++;
    this.#size = Math.min(this.#size + 1, this.#most);
  }

  /** Deletes all positions of these users. */
  erase(users: ReadonlySet<number>): void {
    if (users.size === 0) return;
    for (let i = 0; i < this.#size; i++) {
      if (!users.has(this.#user[i]!)) continue;
      this.#user[i] = NOBODY;
      this.#lat[i] = 0;
      this.#lon[i] = 0;
    }
  }

  /** The last position of every user between two instants, both included; the latest first. */
  between(fromMs: number, toMs: number): PastFix[] {
    const found = new Map<number, PastFix>();
    for (let back = 1; back <= this.#size; back++) {
      const i = (this.#next - back + this.#size) % this.#size;
      const atMs = this.#atMs[i]!;
      // Positions may be up to a minute out of order, so the search continues a minute beyond the start.
      if (atMs < fromMs - 60_000) break;
      const user = this.#user[i]!;
      if (atMs < fromMs || atMs > toMs || user === NOBODY || found.has(user)) continue;
      found.set(user, { user, atMs, lat: this.#lat[i]!, lon: this.#lon[i]! });
    }
    return [...found.values()];
  }

  #grow(): void {
    const size = Math.min(this.#atMs.length * 2, this.#most);
    const grown = <T extends Float64Array | Uint32Array | Int32Array>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    this.#atMs = grown(new Float64Array(size), this.#atMs);
    this.#user = grown(new Uint32Array(size), this.#user);
    this.#lat = grown(new Int32Array(size), this.#lat);
    this.#lon = grown(new Int32Array(size), this.#lon);
  }
}
