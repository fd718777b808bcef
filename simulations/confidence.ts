/** The confidence interval of a mean of few samples, by Student's t. */

/** A mean, and half the width of its 95 % confidence interval. */
export interface Estimate {
  readonly mean: number;
  readonly halfWidth: number;
}

const CONFIDENCE = 0.95;

/**
 * The estimate from independent, about normally distributed samples: mean ± t s / √n, with the standard deviation s of the samples and t
 * for n − 1 degrees of freedom (Student, Biometrika 6, 1908).
 * @param samples at least two; with fewer, the half width is NaN
 */
export function estimate(samples: readonly number[]): Estimate {
  const n = samples.length;
  const mean = samples.reduce((sum, value) => sum + value, 0) / n;
  const squares = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, halfWidth: studentT(CONFIDENCE, n - 1) * Math.sqrt(squares / (n - 1) / n) };
}

/**
 * The t for which a value of Student's distribution lies within ±t with this probability; NaN for less than one degree of freedom.
 * @param freedom degrees of freedom, a whole number
 */
export function studentT(probability: number, freedom: number): number {
  if (!(freedom >= 1)) return Number.NaN;
  // Bisection over the angle θ with t = √ν tan θ, to the last bit.
  let [low, high] = [0, Math.PI / 2];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (probabilityWithin(middle, freedom) < probability) low = middle;
    else high = middle;
  }
  return Math.sqrt(freedom) * Math.tan(low);
}

/** P(|t| < √ν tan θ), for whole ν in finite series (Abramowitz and Stegun, 26.7.3 and 26.7.4). */
function probabilityWithin(angle: number, freedom: number): number {
  const odd = freedom % 2 === 1;
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  let term = odd ? cosine : 1;
  let series = freedom === 1 ? 0 : term;
  for (let i = odd ? 3 : 2; i < freedom; i += 2) {
    term *= ((i - 1) / i) * cosine ** 2;
    series += term;
  }
  return odd ? (2 / Math.PI) * (angle + sine * series) : sine * series;
}
