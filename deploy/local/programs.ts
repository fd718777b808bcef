/** Programs that are not ours, where `npm run prerequisites` puts them or the host has them. */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { TagalongError } from '#shared/errors.ts';

const BROUGHT = new URL('../../build/servers', import.meta.url).pathname;

/** @returns its path @throws TagalongError PROGRAM_MISSING */
export async function findProgram(name: string): Promise<string> {
  for (const folder of [BROUGHT, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']) {
    const path = join(folder, name);
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  throw new TagalongError('PROGRAM_MISSING', `${name} is not on this host; npm run prerequisites brings it`);
}
