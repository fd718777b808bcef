/**
 * Counts over all users what they do next: after so long in a cell, reached from that other one,
 * how often did a user stay, go to which cell, or disappear?
 *
 * A state is (cell, how long there) or, for those who came lately, (cell, how long there, cell before). The second
 * knows more and is seen less often; where it has been seen seldom, the first is asked (back-off with a Dirichlet prior).
 */

/** The last slot of each class of dwell but the last class, which is open. */
const DWELL_UP_TO = [1, 2, 5, 15];
const DWELLS = DWELL_UP_TO.length + 1;
/** The first classes distinguish where a user came from: later it predicts nothing. */
const DWELLS_WITH_ORIGIN = 3;
/** How often a state has to be seen to count as much as the one behind it. */
const PRIOR_WITH_ORIGIN = 3;
const PRIOR = 5;

/** Stands for having disappeared. */
export const GONE = -1;

/** The states that followed one state, with their counts. */
interface Seen {
  /** Situations, or {@link GONE}. */
  readonly next: number[];
  readonly times: number[];
  total: number;
}

/** Situations by number. The first are those without an origin, so that there is one for every cell from the start. */
export class TransitionCounts {
  readonly #cells: number;
  readonly #seen: Seen[];
  /** The same without origin; of those, itself. */
  readonly #general: number[];
  readonly #withOrigin = new Map<number, number>();
  /** By class of dwell, over all cells: how often anything was seen to follow, and how often it was to stay. */
  readonly #followed = new Float64Array(DWELLS).fill(1);
  readonly #stayed = new Float64Array(DWELLS).fill(1);

  constructor(cells: number) {
    this.#cells = cells;
    this.#general = Array.from({ length: cells * DWELLS }, (_, state) => state);
    this.#seen = this.#general.map(nothingSeen);
  }

  get size(): number {
    return this.#seen.length;
  }

  cellOf(state: number): number {
    return Math.floor(this.#general[state]! / DWELLS);
  }

  /** The one that is asked where this one has been seen too seldom. */
  generalOf(state: number): number {
    return this.#general[state]!;
  }

  /**
   * @param origin the cell before; negative where it is not known
   * @param dwellSlots in the cell, this slot counted
   */
  state(cell: number, origin: number, dwellSlots: number): number {
    const general = cell * DWELLS + dwellClass(dwellSlots);
    if (origin < 0 || dwellClass(dwellSlots) >= DWELLS_WITH_ORIGIN) return general;
    const key = origin * this.#cells * DWELLS + general;
    const known = this.#withOrigin.get(key);
    if (known !== undefined) return known;
    this.#withOrigin.set(key, this.#seen.length);
    this.#general.push(general);
    return this.#seen.push(nothingSeen()) - 1;
  }

  /** Counts what followed. */
  count(state: number, next: number): void {
    const general = this.#general[state]!;
    add(this.#seen[state]!, next);
    if (general !== state) add(this.#seen[general]!, next);
    this.#followed[general % DWELLS]!++;
    if (next !== GONE && this.cellOf(next) === this.cellOf(state)) this.#stayed[general % DWELLS]!++;
  }

  /** Calls back with each state that may follow, and its probability; what is missing to 1 is being gone. */
  forEachNext(state: number, call: (next: number, probability: number) => void): void {
    const general = this.#general[state]!;
    let rest = 1;
    if (general !== state) rest = share(this.#seen[state]!, rest, PRIOR_WITH_ORIGIN, call);
    rest = share(this.#seen[general]!, rest, PRIOR, call);
    // Users of whom nothing is known are assumed to stay as others do elsewhere. Users who leave may go anywhere, which
    // promises as little as being gone.
    const dwell = general % DWELLS;
    const stays = this.#stayed[dwell]! / this.#followed[dwell]!;
    call(dwell === DWELLS - 1 ? general : general + 1, rest * stays);
  }
}

function nothingSeen(): Seen {
  return { next: [], times: [], total: 0 };
}

function add(seen: Seen, next: number): void {
  const i = seen.next.indexOf(next);
  if (i < 0) {
    seen.next.push(next);
    seen.times.push(1);
  } else seen.times[i]!++;
  seen.total++;
}

/** Hands out what was seen its share of a probability. @returns what is left for the prior */
function share(
  { next, times, total }: Seen,
  probability: number,
  prior: number,
  call: (next: number, probability: number) => void,
): number {
  const each = probability / (total + prior);
  for (let i = 0; i < next.length; i++) if (next[i] !== GONE) call(next[i]!, each * times[i]!);
  return each * prior;
}

function dwellClass(slots: number): number {
  let dwell = 0;
  while (dwell < DWELL_UP_TO.length && slots > DWELL_UP_TO[dwell]!) dwell++;
  return dwell;
}
