/** The certificates of agents, and of the process that gives them orders. */
import { X509Certificate } from 'node:crypto';
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

/**
 * True if a chain leads from the first certificate of `cert` to one of `ca`, through any certificates of both.
 * @throws Error where a certificate cannot be read
 */
export function isOfAuthority({ ca, cert }: Pick<Credentials, 'ca' | 'cert'>): boolean {
  const authorities = certificatesIn(ca);
  let [own, ...between] = certificatesIn(cert);
  while (own !== undefined) {
    const lower: X509Certificate = own;
    const isIssuer = (upper: X509Certificate) => lower.checkIssued(upper) && lower.verify(upper.publicKey);
    if (authorities.some(isIssuer)) return true;
    own = between.find(isIssuer);
    between = between.filter((each) => each !== own);
  }
  return false;
}

function certificatesIn(pem: string | Buffer): X509Certificate[] {
  const blocks = String(pem).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  return (blocks ?? [String(pem)]).map((block) => new X509Certificate(block));
}
