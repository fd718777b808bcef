/** The secrets of an installation, each in a file of its own that only its owner can read. */
import { randomBytes } from 'node:crypto';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TagalongError } from '#shared/errors.ts';

/** The names of the files, as our configurations name them. */
export const SECRET_FILES = { adminToken: 'admin.token', pseudonymKey: 'pseudonym.key' } as const;

/** A secret of 256 random bits, as 43 letters, digits, `_` and `-`. */
export function freshSecret(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * Writes files that only their owner can read. If one of them exists, it writes none.
 * @param files the texts by name
 * @returns their paths
 * @throws TagalongError FILE_EXISTS
 */
export async function writePrivately(folder: string, files: Readonly<Record<string, string>>): Promise<string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const paths = Object.keys(files).map((name) => join(folder, name));
  for (const path of paths) if (await exists(path)) throw taken(path);
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name);
    await writeFile(path, text, { flag: 'wx', mode: 0o600 }).catch((cause) => {
      throw (cause as NodeJS.ErrnoException).code === 'EEXIST' ? taken(path) : cause;
    });
  }
  return paths;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function taken(path: string): TagalongError {
  return new TagalongError('FILE_EXISTS', `${path} exists already; name another folder, or remove the file`);
}
