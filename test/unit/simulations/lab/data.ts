/** Recorded data, which is not part of the repository: a test that needs it says so where it is missing. */
import { existsSync } from 'node:fs';
import { test } from 'vitest';

const DATA = '../shared/data';

/** @param needs files below the folder of data */
export function testWith(needs: readonly string[], name: string, run: () => Promise<void> | void): void {
  const missing = needs.map((path) => `${DATA}/${path}`).filter((path) => !existsSync(path));
  test.skipIf(missing.length > 0)(
    missing.length === 0 ? name : `${name} [skipped: ${missing.join(', ')} is missing]`,
    run,
    300_000,
  );
}

/** The folder of a data set. */
export const folderOf = (name: string) => `${DATA}/${name}`;
