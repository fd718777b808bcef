/**
 * The transition model of the learned Markov decision process: it counts, over all users, which state follows which.
 *
 * A general state is a cell and how long the user has been in it (dwell). In the first dwell classes a user of known origin has a
 * more specific state: cell, dwell and the cell before. A specific state predicts better, but the model has seen it less often.
 * So the probabilities of a specific state back off to those of its general state, with a Dirichlet prior.
 */

/** The last slot of each dwell class, except for the last class, which has no end. */
const DWELL_UP_TO = [1, 2, 5, 15];
const DWELLS = DWELL_UP_TO.length + 1;
/** The number of dwell classes that distinguish the origin. After a longer dwell the origin predicts nothing. */
const DWELLS_WITH_ORIGIN = 3;
/** After so many observations a specific state counts as much as its general state. */
const PRIOR_WITH_ORIGIN = 3;
/** After so many observations a general state counts as much as the average over all cells. */
const PRIOR = 5;

/** The successor of the last state of a user who has disappeared. */
export const GONE = -1;

/** The states that followed one state, with their counts. */
interface Successors {
  /** States, or {@link GONE}. */
  readonly next: number[];
  readonly times: number[];
  total: number;
}

/** States are numbered. The general states come first, so that each cell has them from the start. */
export class TransitionCounts {
  readonly #cells: number;
  readonly #successors: Successors[];
  /** By state: its general state. A general state refers to itself. */
  readonly #general: number[];
  readonly #withOrigin = new Map<number, number>();
  /** By dwell class, over all cells: the number of transitions. It starts at 1, so that no share is 0 ÷ 0. */
  readonly #followed = new Float64Array(DWELLS).fill(1);
  /** By dwell class, over all cells: how many of these transitions stayed in the cell. */
  readonly #stayed = new Float64Array(DWELLS).fill(1);

  constructor(cells: number) {
    this.#cells = cells;
    this.#general = Array.from({ length: cells * DWELLS }, (_, state) => state);
    this.#successors = this.#general.map(noSuccessors);
  }

  /** The number of states so far. */
  get size(): number {
    return this.#successors.length;
  }

  cellOf(state: number): number {
    return Math.floor(this.#general[state]! / DWELLS);
  }

  /** The general state, which supplies the probabilities as long as the specific one has been seen too seldom. */
  generalOf(state: number): number {
    return this.#general[state]!;
  }

  /**
   * The number of a state. A specific state gets its number here.
   * @param origin the cell before; negative if it is unknown
   * @param dwellSlots slots in the cell, including this one
   */
  state(cell: number, origin: number, dwellSlots: number): number {
    const general = cell * DWELLS + dwellClass(dwellSlots);
    if (origin < 0 || dwellClass(dwellSlots) >= DWELLS_WITH_ORIGIN) return general;
    const key = origin * this.#cells * DWELLS + general;
    const known = this.#withOrigin.get(key);
    if (known !== undefined) return known;
    this.#withOrigin.set(key, this.#successors.length);
    this.#general.push(general);
    return this.#successors.push(noSuccessors()) - 1;
  }

  /** Counts one transition. @param next a state, or {@link GONE} */
  count(state: number, next: number): void {
    const general = this.#general[state]!;
    add(this.#successors[state]!, next);
    if (general !== state) add(this.#successors[general]!, next);
    this.#followed[general % DWELLS]!++;
    if (next !== GONE && this.cellOf(next) === this.cellOf(state)) this.#stayed[general % DWELLS]!++;
  }

  /** Calls back with each successor and its probability. The probabilities add up to 1 with that of {@link GONE}. */
  forEachNext(state: number, call: (next: number, probability: number) => void): void {
    const general = this.#general[state]!;
    let rest = 1;
    if (general !== state) rest = distribute(this.#successors[state]!, rest, PRIOR_WITH_ORIGIN, call);
    rest = distribute(this.#successors[general]!, rest, PRIOR, call);
    // The prior: users stay in their cell as often as users of other cells do. A user who leaves may go anywhere, which predicts the
    // next cost no better than GONE does.
    const dwell = general % DWELLS;
    const stays = this.#stayed[dwell]! / this.#followed[dwell]!;
    call(dwell === DWELLS - 1 ? general : general + 1, rest * stays);
  }
}

function noSuccessors(): Successors {
  return { next: [], times: [], total: 0 };
}

function add(successors: Successors, next: number): void {
  const i = successors.next.indexOf(next);
  if (i < 0) {
    successors.next.push(next);
    successors.times.push(1);
  } else successors.times[i]!++;
  successors.total++;
}

/**
 * Distributes a probability over the successors by their counts.
 * @returns the part that is left for the prior
 */
function distribute(
  { next, times, total }: Successors,
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
