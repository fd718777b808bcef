/** Tests on recorded data, which is not part of the repository. Without the data they are skipped, and their names say so. */
import { existsSync } from 'node:fs';
import { test } from 'vitest';

const DATA = '../shared/data';

/** @param needs the necessary files, below the folder of data */
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
