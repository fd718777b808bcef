/** Tests that need a program or a server. Without it, they are skipped by name; in CI they fail. */
import { describe, test } from 'vitest';

/**
 * Registers tests that need something. If it is missing, the tests are skipped and their name tells the reason; in CI one failing
 * test replaces them.
 * @param what the necessary thing @param missing the reason why it is missing; undefined: it exists
 */
export function describeNeeding(what: string, missing: string | undefined, name: string, tests: () => void): void {
  if (missing === undefined) describe(name, tests);
  else if (process.env.CI === 'true') {
    test(`${name}: ${what} exists`, () => {
      throw new Error(missing);
    });
  } else describe.skip(`${name} (skipped: ${missing})`, tests);
}
