/**
 * The cheapest sequence of sites for one user with known cells: dynamic programming over slots, with
 * V_t(k) = c_d(t, k) + min_h { V_{t-1}(h) + c_m(t, h, k) } (the shortest path of S. Wang et al., ICC 2015).
 */
import { ABSENT, type CellTrace } from './trace.ts';
import type { World } from './world.ts';

/**
 * The step of the dynamic programming in which services move. It considers few of the M² pairs of sites. A move costs at least `a` and at
 * most `b`. So no move pays that goes to a site whose value is within `a` of the lowest, or that leaves a site whose value is more than
 * `b - a` above the lowest.
 */
export class MoveRelaxation {
  readonly #world: Pick<World, 'sites' | 'move'>;
  readonly #cheapest: number;
  readonly #dearest: number;
  readonly #sources: Int16Array;
  readonly #targets: Int16Array;
  readonly #reached: Float64Array;

  constructor(world: Pick<World, 'sites' | 'move'>) {
    const { sites, move } = world;
    this.#world = world;
    const costs = move.filter((_, i) => i % sites !== Math.floor(i / sites));
    this.#cheapest = costs.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    this.#dearest = costs.reduce((a, b) => Math.max(a, b), 0);
    this.#sources = new Int16Array(sites);
    this.#targets = new Int16Array(sites);
    this.#reached = new Float64Array(sites);
  }

  /**
   * Lowers the value of each site to that of the cheapest move there, if that is lower.
   * @param load multiplies the cost of moves
   * @param origins receives, for each site, the site of the slot before
   */
  relax(values: Float64Array, load: number, origins?: Int16Array): void {
    const { sites, move } = this.#world;
    let least = Number.POSITIVE_INFINITY;
    for (let site = 0; site < sites; site++) if (values[site]! < least) least = values[site]!;
    const reachable = least + load * this.#cheapest;
    const useful = least + load * (this.#dearest - this.#cheapest);
    let [sources, targets] = [0, 0];
    for (let site = 0; site < sites; site++) {
      if (origins) origins[site] = site;
      if (values[site]! > reachable) this.#targets[targets++] = site;
      if (values[site]! <= useful) this.#sources[sources++] = site;
    }
    for (let i = 0; i < targets; i++) {
      const target = this.#targets[i]!;
      let best = values[target]!;
      for (let j = 0; j < sources; j++) {
        const source = this.#sources[j]!;
        const value = values[source]! + load * move[source * sites + target]!;
        if (value >= best) continue;
        best = value;
        if (origins) origins[target] = source;
      }
      this.#reached[i] = best;
    }
    for (let i = 0; i < targets; i++) values[this.#targets[i]!] = this.#reached[i]!;
  }
}

/** Finds the cheapest sequences of sites for the users of a trace. */
export class ShortestPath {
  readonly #world: World;
  readonly #trace: CellTrace;
  readonly #moves: MoveRelaxation;
  readonly #values: Float64Array;
  #origins = new Int16Array(0);

  constructor(world: World, trace: CellTrace) {
    this.#world = world;
    this.#trace = trace;
    this.#moves = new MoveRelaxation(world);
    this.#values = new Float64Array(world.sites);
  }

  /** The number of slots, at most `most`, for which the user is present without a break from `slot` on. */
  slotsPresent(user: number, slot: number, most = Number.POSITIVE_INFINITY): number {
    const { cells, users, slots } = this.#trace;
    let length = 0;
    while (length < most && slot + length < slots && cells[(slot + length) * users + user] !== ABSENT) length++;
    return length;
  }

  /**
   * The cheapest sites for `length` slots from `first` on. The user must be present in all of them.
   * @param from the site in the slot before; without it, the first site is free
   */
  sites(user: number, first: number, length: number, from?: number): Int16Array {
    const { sites, serve, placing } = this.#world;
    const { cells, users, load } = this.#trace;
    if (this.#origins.length < length * sites) this.#origins = new Int16Array(length * sites);
    const values = this.#values.fill(from === undefined ? load[first]! * placing : Number.POSITIVE_INFINITY);
    if (from !== undefined) values[from] = 0;
    for (let i = 0; i < length; i++) {
      const factor = load[first + i]!;
      const origins = this.#origins.subarray(i * sites, (i + 1) * sites);
      if (i > 0 || from !== undefined) this.#moves.relax(values, factor, origins);
      const row = cells[(first + i) * users + user]! * sites;
      for (let site = 0; site < sites; site++) values[site]! += factor * serve[row + site]!;
    }
    return this.#back(values, length);
  }

  /** Follows the origins back from the cheapest last site. */
  #back(values: Float64Array, length: number): Int16Array {
    const { sites } = this.#world;
    let site = 0;
    for (let k = 1; k < sites; k++) if (values[k]! < values[site]!) site = k;
    const path = new Int16Array(length);
    for (let i = length - 1; i >= 0; i--) {
      path[i] = site;
      site = this.#origins[i * sites + site]!;
    }
    return path;
  }
}
