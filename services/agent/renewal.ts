/** Renewed certificates, which an agent takes up while it runs. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { AgentConfig } from '#shared/config/agent.ts';
import type { Credentials } from '#shared/hypervisor/qemu/client.ts';
import type { Log } from '#shared/log.ts';
import { isOfAuthority, readCredentials } from '../sites/hosts/credentials.ts';

const LOOK_MS = 1_000;

/**
 * Looks for changes of an agent's certificates once a second, by the files' identity and time of change. Files that do not fit each
 * other, because only some of them have been copied yet, are left until they do.
 * @param renewed called with certificates that fit each other
 * @returns a function that ends it
 */
export function watchCertificates(
  files: AgentConfig['tls'],
  log: Log,
  renewed: (credentials: Credentials) => void,
): () => void {
  let known: string | undefined;
  const look = async () => {
    const now = await identityOf(files);
    const isFirst = known === undefined;
    if (now === known) return;
    known = now;
    // Those that were read at the start.
    if (isFirst) return;
    const credentials = await readCredentials(files);
    refuseUnfit(credentials);
    renewed(credentials);
    log.info({ certificate: files.cert }, 'the certificates were renewed');
  };
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    look()
      .catch((err) => log.warn({ err }, 'changed certificates are not used: copy ca, cert and key that fit each other'))
      .finally(() => {
        isLooking = false;
      });
  }, LOOK_MS);
  timer.unref();
  void look().catch(() => {});
  return () => clearInterval(timer);
}

/** What changes with the content of the files: also where a file is replaced by another one, or a link leads elsewhere. */
async function identityOf(files: AgentConfig['tls']): Promise<string> {
  const all = await Promise.all(
    [files.ca, files.cert, files.key, ...(files.crl ? [files.crl] : [])].map((path) => stat(path, { bigint: true })),
  );
  return all.map(({ dev, ino, size, mtimeNs }) => `${dev}.${ino}.${size}.${mtimeNs}`).join(' ');
}

/** @throws Error where the certificate is of none of these authorities, or the key is that of another certificate */
function refuseUnfit({ ca, cert, key }: Credentials): void {
  if (!isOfAuthority({ ca, cert })) throw new Error('the certificate is of another authority');
  const own = new X509Certificate(cert);
  if (!own.checkPrivateKey(createPrivateKey(key))) throw new Error('the key is that of another certificate');
}
