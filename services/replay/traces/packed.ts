/**
 * Fixes as numbers, four for each. They take a fraction of the memory of objects, can be stored in files, and can be shared by threads. The
 * first number contains user and presence.
 */
import { PRESENCES, type Presence } from '#shared/policy/state/presence.ts';
import type { Fix } from './fix.ts';

/** The possible presences of a fix, in the order of their numbers. */
const SAID: readonly (Presence | undefined)[] = [undefined, ...PRESENCES];
/** The numbers of a fix: user with presence, time, latitude, longitude. */
export const WIDTH = 4;

/** Numbers users in the order in which they appear. */
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
  numbers[at] = users.numberOf(fix.user) * SAID.length + SAID.indexOf(fix.presence);
  numbers[at + 1] = fix.atMs;
  numbers[at + 2] = fix.lat;
  numbers[at + 3] = fix.lon;
}

/** Reads all fixes of a block. */
export function unpackFixes(block: Float64Array, users: readonly string[]): Fix[] {
  const fixes: Fix[] = [];
  for (let i = 0; i < block.length; i += WIDTH) {
    const said = block[i]! % SAID.length;
    const user = users[(block[i]! - said) / SAID.length]!;
    const fix = { user, atMs: block[i + 1]!, lat: block[i + 2]!, lon: block[i + 3]! };
    fixes.push(said === 0 ? fix : { ...fix, presence: SAID[said]! });
  }
  return fixes;
}
