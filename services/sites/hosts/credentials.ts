/** The certificates of agents, and of the process that gives them orders. */
import { contentOf } from '#shared/config/files.ts';
import type { Credentials } from '#shared/hypervisor/qemu/client.ts';

/** Reads them. @throws TagalongError CONFIG_UNREADABLE */
export async function readCredentials(files: Record<'ca' | 'cert' | 'key', string>): Promise<Credentials> {
  const read = (path: string) => contentOf(path, 'a PEM file');
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  return { ca, cert, key };
}
