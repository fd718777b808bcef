/** How much is tried: what CI has time for, or all of it (`npm run test:long`). */
export const LONG = process.env.TAGALONG_LONG === '1';

/** Tests that only the long run has: each has a shorter sibling in CI, which the file shows beside it. */
export function onlyLong(tests: () => void): void {
  if (LONG) tests();
}

/** @returns the second where long runs are wanted, else the first */
export function longOr<T>(usual: T, long: T): T {
  return LONG ? long : usual;
}
