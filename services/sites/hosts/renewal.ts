/** Renewed certificates, which an agent or the control plane takes up while it runs. */
import { refuseOtherKey } from '#shared/certificate.ts';
import type { Credentials } from '#shared/hypervisor/qemu/client.ts';
import type { Log } from '#shared/log.ts';
import { watchFiles } from '../../runtime/watched-files.ts';
import { type CredentialFiles, isOfAuthority, readCredentials } from './credentials.ts';

/**
 * Looks for changes of certificates once a second. Files that do not fit each other, because only some of them have been copied yet, are
 * left until they do.
 * @param renewed called with certificates that fit each other
 * @returns a function that ends it
 */
export function watchCertificates(
  files: CredentialFiles,
  log: Log,
  renewed: (credentials: Credentials) => void,
): () => void {
  const paths = [files.ca, files.cert, files.key, ...(files.crl ? [files.crl] : [])];
  const read = async () => {
    const credentials = await readCredentials(files);
    refuseUnfit(credentials);
    renewed(credentials);
    log.info({ certificate: files.cert }, 'the certificates were renewed');
  };
  return watchFiles(
    () => paths,
    read,
    (err) => log.warn({ err }, 'changed certificates are not used: copy ca, cert and key that fit each other'),
  );
}

/** @throws Error where the certificate is of none of these authorities, or the key is that of another certificate */
function refuseUnfit({ ca, cert, key }: Credentials): void {
  if (!isOfAuthority({ ca, cert })) throw new Error('the certificate is of another authority');
  refuseOtherKey(cert, key);
}
