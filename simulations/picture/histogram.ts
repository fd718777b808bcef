/** A distribution in bounded memory, however many values there are. */

/** Steps of 0.54 %: a quantile is off by 0.27 % at most. */
const BINS_PER_OCTAVE = 128;
/** 2⁻¹⁰ to 2⁴⁰: a microsecond to thirty years, in milliseconds. */
const LEAST_OCTAVE = -10;
const OCTAVES = 50;
const LEAST = 2 ** LEAST_OCTAVE;

/** A step of a cumulative distribution: this share of the weight is at or below this value. */
export interface Step {
  readonly value: number;
  readonly share: number;
}

/** What is known of a distribution in the end. */
export interface Spread {
  /** The sum of the weights. */
  readonly weight: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  /** The largest value itself. */
  readonly max: number;
  /** By value; empty where there are none. */
  readonly steps: readonly Step[];
}

/** Takes values of 0 and more, with weights. */
export class Histogram {
  /** The first is for all that is smaller than the least. */
  readonly #weights = new Float64Array(OCTAVES * BINS_PER_OCTAVE + 1);
  #weight = 0;
  #sum = 0;
  #max = 0;

  add(value: number, weight = 1): void {
    const bin = value < LEAST ? 0 : 1 + Math.floor((Math.log2(value) - LEAST_OCTAVE) * BINS_PER_OCTAVE);
    this.#weights[Math.min(bin, this.#weights.length - 1)]! += weight;
    this.#weight += weight;
    this.#sum += value * weight;
    if (value > this.#max) this.#max = value;
  }

  spread(): Spread {
    const steps = this.#steps();
    const quantile = (share: number) => {
      const step = steps.find((one) => one.share >= share);
      return step === undefined ? 0 : Math.min(step.value, this.#max);
    };
    return {
      weight: this.#weight,
      mean: this.#weight === 0 ? 0 : this.#sum / this.#weight,
      p50: quantile(0.5),
      p90: quantile(0.9),
      p99: quantile(0.99),
      max: this.#max,
      steps,
    };
  }

  #steps(): Step[] {
    const steps: Step[] = [];
    let below = 0;
    for (const [bin, weight] of this.#weights.entries()) {
      if (weight === 0) continue;
      below += weight;
      steps.push({ value: middleOf(bin), share: below / this.#weight });
    }
    return steps;
  }
}

function middleOf(bin: number): number {
  return bin === 0 ? 0 : 2 ** (LEAST_OCTAVE + (bin - 0.5) / BINS_PER_OCTAVE);
}
