/** Finds programs of others: where `npm run prerequisites` installs them in a checkout, or in the host's PATH. */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { TagalongError } from '#shared/errors.ts';
import { IS_CHECKOUT } from '#shared/version.ts';

const INSTALLED = new URL('../../build/servers', import.meta.url).pathname;
/** The package has no `npm run prerequisites`. */
const REMEDY = IS_CHECKOUT ? 'npm run prerequisites brings it' : 'install it in a folder of PATH';

/** @returns its path @throws TagalongError PROGRAM_MISSING */
export async function findProgram(name: string): Promise<string> {
  for (const folder of [INSTALLED, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']) {
    const path = join(folder, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  throw new TagalongError('PROGRAM_MISSING', `${name} is not on this host; ${REMEDY}`);
}
