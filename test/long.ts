/** How much is tried: what CI has time for, or all of it (`npm run test:long`). */
export const LONG = process.env.TAGALONG_LONG === '1';

/** @returns the second where long runs are wanted, else the first */
export function longOr<T>(usual: T, long: T): T {
  return LONG ? long : usual;
}
