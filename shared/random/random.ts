import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** The port of randomness. Code that draws from it can repeat a run from the same seed. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}

/** A generator (xoroshiro128+) that gives the same numbers for the same seed on every machine. @param seed any finite number */
export function seededRandom(seed: number): Random {
  const generator = xoroshiro128plusFromState(stateFrom(seed));
  return { next: () => uniformFloat64(generator) };
}

/**
 * Four words in which every bit depends on every bit of the seed. Without this, neighbouring seeds would give the same first numbers,
 * because the generator is linear.
 */
function stateFrom(seed: number): number[] {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, seed);
  const [high, low] = [bits.getUint32(0), bits.getUint32(4)];
  return [1, 2, 3, 4].map((n) => mix(mix(low + Math.imul(n, 0x9e3779b9)) ^ high));
}

/** MurmurHash3's 32-bit finalizer (A. Appleby). */
function mix(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
