/**
 * Fixes as numbers, four each: a fraction of the memory that objects take, and they can be kept in files and shared by
 * threads.
 */
import type { Fix } from './fix.ts';

/** Numbers a fix: user, time, latitude, longitude. */
export const WIDTH = 4;

/** Users by number, in the order in which they appear. */
export class UserNumbers {
  readonly names: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(user: string): number {
    const known = this.#numbers.get(user);
    if (known !== undefined) return known;
    this.#numbers.set(user, this.names.length);
    return this.names.push(user) - 1;
  }
}

/** Writes a fix into `numbers`, from `at` on. */
export function packFix(numbers: Float64Array, at: number, fix: Fix, users: UserNumbers): void {
  numbers[at] = users.numberOf(fix.user);
  numbers[at + 1] = fix.atMs;
  numbers[at + 2] = fix.lat;
  numbers[at + 3] = fix.lon;
}

/** All fixes of a block, as they were. */
export function unpackFixes(block: Float64Array, users: readonly string[]): Fix[] {
  const fixes: Fix[] = [];
  for (let i = 0; i < block.length; i += WIDTH) {
    fixes.push({ user: users[block[i]!]!, atMs: block[i + 1]!, lat: block[i + 2]!, lon: block[i + 3]! });
  }
  return fixes;
}
