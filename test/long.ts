/** True if the tests run in their long form (`npm run test:long`). */
export const LONG = process.env.TAGALONG_LONG === '1';

/** Registers tests of the long form only. A shorter test beside them runs always. */
export function onlyLong(tests: () => void): void {
  if (LONG) tests();
}

/** @returns `long` in the long form, else `usual` */
export function longOr<T>(usual: T, long: T): T {
  return LONG ? long : usual;
}
