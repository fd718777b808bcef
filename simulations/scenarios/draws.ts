import type { Random } from '#shared/random/random.ts';

/** Draws uniformly between `low` and `high`. */
export function draw(random: Random, low: number, high: number): number {
  return low + random.next() * (high - low);
}

/** Draws log-uniformly: the interval from 1 to 2 is as likely as that from 10 to 20. */
export function drawLog(random: Random, low: number, high: number): number {
  return low * (high / low) ** random.next();
}

/** Draws one of some values. */
export function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random.next() * values.length)]!;
}
