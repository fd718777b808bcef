import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Chance, as a port: what draws from it can be repeated from its seed. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** A generator that gives the same numbers for the same seed, on every machine (xoroshiro128+). */
export function seededRandom(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  return { next: () => uniformFloat64(generator) };
}
