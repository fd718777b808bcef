import type { Random } from '#shared/random/random.ts';

/** Uniform from `low` up to `high`. */
export function draw(random: Random, low: number, high: number): number {
  return low + random.next() * (high - low);
}

/** Uniform in the logarithm: as many between 1 and 2 as between 10 and 20. */
export function drawLog(random: Random, low: number, high: number): number {
  return low * (high / low) ** random.next();
}

export function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random.next() * values.length)]!;
}
