import { readFile } from 'node:fs/promises';
import { TagalongError } from '../errors.ts';

/**
 * Reads a file that a configuration or a command line names.
 * @param right the kind of file that the message asks for, such as `a PEM file`
 * @throws TagalongError CONFIG_UNREADABLE
 */
export async function contentOf(path: string, right: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TagalongError('CONFIG_UNREADABLE', `${path}: cannot be read (${code}); name ${right}`, { cause });
  }
}
