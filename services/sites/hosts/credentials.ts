/** The certificates of agents, and of the process that gives them orders. */
import { contentOf } from '#shared/config/files.ts';
import type { Credentials } from '#shared/hypervisor/qemu/client.ts';

/** The paths of PEM files. `crl`: the list of revoked certificates, if there is one. */
export interface CredentialFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly crl?: string | undefined;
}

/** Reads them. @throws TagalongError CONFIG_UNREADABLE */
export async function readCredentials(files: CredentialFiles): Promise<Credentials> {
  const read = (path: string) => contentOf(path, 'a PEM file');
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  return { ca, cert, key, ...(files.crl !== undefined && { crl: await read(files.crl) }) };
}
