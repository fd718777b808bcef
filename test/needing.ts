/** Tests that need something that a machine may not have, such as a server: one that is missing is named, and a failure in CI. */
import { describe, test } from 'vitest';

/**
 * Without what they need the tests are skipped, with the reason in their name; in CI one failing test stands for them.
 * @param what they need @param missing why it cannot be had; undefined where it is there
 */
export function describeNeeding(what: string, missing: string | undefined, name: string, tests: () => void): void {
  if (missing === undefined) describe(name, tests);
  else if (process.env.CI === 'true') {
    test(`${name}: ${what} is here`, () => {
      throw new Error(missing);
    });
  } else describe.skip(`${name} (skipped: ${missing})`, tests);
}
