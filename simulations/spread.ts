/** A distribution that is exact as long as there are few values, and else comes from a sketch of 0.1 % accuracy. */
import { Sketch } from './sketch.ts';
import { type Distribution, distribution } from './statistics.ts';

/** So many values are stored: 2 MB. */
const EXACT = 2 ** 18;
const RATIO = 1.002;

/** Collects the values of one figure of a run. */
export class Spread {
  readonly #exact: number;
  #values: number[] = [];
  #sketch: Sketch | undefined;

  /** @param exact the number of values up to which the distribution is exact */
  constructor(exact = EXACT) {
    this.#exact = exact;
  }

  get count(): number {
    return this.#sketch?.weight ?? this.#values.length;
  }

  add(value: number): void {
    if (this.#sketch !== undefined) {
      this.#sketch.add(value);
      return;
    }
    this.#values.push(value);
    if (this.#values.length <= this.#exact) return;
    this.#sketch = new Sketch(RATIO);
    for (const each of this.#values) this.#sketch.add(each);
    this.#values = [];
  }

  get distribution(): Distribution {
    if (this.#sketch === undefined) return distribution(this.#values);
    const [p50, p95] = this.#sketch.quantiles([0.5, 0.95]) as [number, number];
    const { weight, mean, max } = this.#sketch.summary();
    return { count: weight, mean, p50, p95, max };
  }
}
