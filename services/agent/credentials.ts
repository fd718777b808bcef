/** The certificates by which agents and those who order them know each other. */
import { readFile } from 'node:fs/promises';
import { TagalongError } from '#shared/errors.ts';
import type { Credentials } from '#shared/hypervisor/qemu/client.ts';

/** @throws TagalongError CONFIG_UNREADABLE */
export async function readCredentials(files: Record<'ca' | 'cert' | 'key', string>): Promise<Credentials> {
  const read = async (path: string) =>
    readFile(path).catch((cause: NodeJS.ErrnoException) => {
      throw new TagalongError('CONFIG_UNREADABLE', `${path}: cannot be read (${cause.code}); name a PEM file`, {
        cause,
      });
    });
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  return { ca, cert, key };
}
