/**
 * How values are spread, in memory that does not grow with their number: exact as long as there are not too many of
 * them to be kept, then by counts in classes of equal ratio, so that every quantile is off by 0.1 % at most (the sketch of
 * Masson, Rim and Lee, DDSketch, VLDB 2019). Mean and maximum stay exact.
 */
import { type Distribution, distribution } from './statistics.ts';

/** Values that are kept as they are: 2 MB of them. */
const EXACT = 2 ** 18;
/** A class reaches from one bound to this many times it: its middle is off by half of what is above 1. */
const RATIO = 1.002;
const LOG_RATIO = Math.log(RATIO);

export class Spread {
  readonly #exact: number;
  #values: number[] = [];
  /** Counts by class; of values of 0 and below, which have none, by themselves. */
  #classes: Map<number, number> | undefined;
  #count = 0;
  #sum = 0;
  #max = Number.NEGATIVE_INFINITY;

  /** @param exact how many values are kept as they are */
  constructor(exact = EXACT) {
    this.#exact = exact;
  }

  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    this.#count++;
    this.#sum += value;
    this.#max = Math.max(this.#max, value);
    if (this.#classes !== undefined) {
      enter(this.#classes, value);
      return;
    }
    this.#values.push(value);
    if (this.#values.length <= this.#exact) return;
    this.#classes = new Map();
    for (const each of this.#values) enter(this.#classes, each);
    this.#values = [];
  }

  get distribution(): Distribution {
    if (this.#classes === undefined) return distribution(this.#values);
    const classes = [...this.#classes].sort(([a], [b]) => a - b);
    const rank = (share: number) => {
      let left = Math.ceil(share * this.#count);
      const found = classes.findIndex(([, count]) => {
        left -= count;
        return left <= 0;
      });
      return Math.min(this.#max, middleOf(classes[found]![0]));
    };
    return { count: this.#count, mean: this.#sum / this.#count, p50: rank(0.5), p95: rank(0.95), max: this.#max };
  }
}

/** Of nothing and less there is one class, before all others. */
const NOTHING = Number.NEGATIVE_INFINITY;

function enter(classes: Map<number, number>, value: number): void {
  const itsClass = value > 0 ? Math.ceil(Math.log(value) / LOG_RATIO) : NOTHING;
  classes.set(itsClass, (classes.get(itsClass) ?? 0) + 1);
}

/** As far from the lower bound of a class as from the upper, in proportion. */
function middleOf(itsClass: number): number {
  return itsClass === NOTHING ? 0 : (2 * RATIO ** itsClass) / (1 + RATIO);
}
