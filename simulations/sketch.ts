/**
 * A distribution in memory that does not grow with the number of values: it adds up weights in classes of equal ratio (Masson, Rim and
 * Lee, DDSketch, VLDB 2019). Quantiles are approximate. Weight, mean and maximum are exact.
 */

/** A step of a cumulative distribution: this share of the weight is at or below this value. */
export interface Step {
  readonly value: number;
  readonly share: number;
}

/** The figures of a sketch; zero if it is empty. */
export interface SketchSummary {
  /** The sum of the weights. */
  readonly weight: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** In ascending order of the values; empty where there are none. */
  readonly steps: readonly Step[];
}

/** The class of 0 and of negative values. It sorts before all others. */
const NOTHING = Number.NEGATIVE_INFINITY;

/** Collects values with weights. */
export class Sketch {
  readonly #ratio: number;
  readonly #logRatio: number;
  readonly #classes = new Map<number, number>();
  #weight = 0;
  #sum = 0;
  #max = Number.NEGATIVE_INFINITY;

  /** @param ratio upper ÷ lower bound of a class; quantiles are off by at most (ratio - 1) / (ratio + 1) */
  constructor(ratio: number) {
    this.#ratio = ratio;
    this.#logRatio = Math.log(ratio);
  }

  /** The sum of the weights. */
  get weight(): number {
    return this.#weight;
  }

  add(value: number, weight = 1): void {
    const key = value > 0 ? Math.ceil(Math.log(value) / this.#logRatio) : NOTHING;
    this.#classes.set(key, (this.#classes.get(key) ?? 0) + weight);
    this.#weight += weight;
    this.#sum += value * weight;
    if (value > this.#max) this.#max = value;
  }

  summary(): SketchSummary {
    const steps = this.#steps();
    const quantile = (share: number) => this.#quantile(steps, share);
    const isEmpty = steps.length === 0;
    return {
      weight: this.#weight,
      mean: isEmpty ? 0 : this.#sum / this.#weight,
      p50: quantile(0.5),
      p90: quantile(0.9),
      p99: quantile(0.99),
      max: isEmpty ? 0 : this.#max,
      steps,
    };
  }

  /** For each share: the least value that has at least this share of the weight at or below it. */
  quantiles(shares: readonly number[]): number[] {
    const steps = this.#steps();
    return shares.map((share) => this.#quantile(steps, share));
  }

  #quantile(steps: readonly Step[], share: number): number {
    const step = steps.find((one) => one.share >= share);
    return step === undefined ? 0 : Math.min(step.value, this.#max);
  }

  #steps(): Step[] {
    let below = 0;
    return [...this.#classes]
      .sort(([a], [b]) => a - b)
      .map(([key, weight]) => {
        below += weight;
        return { value: this.#middleOf(key), share: below / this.#weight };
      });
  }

  /** The value of a class with the same relative distance from both bounds. */
  #middleOf(key: number): number {
    return key === NOTHING ? 0 : (2 * this.#ratio ** key) / (1 + this.#ratio);
  }
}
