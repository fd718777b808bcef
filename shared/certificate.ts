import { createPrivateKey, X509Certificate } from 'node:crypto';

/** Checks that a certificate and a private key, in PEM, belong together. @throws Error where they do not, or cannot be read */
export function refuseOtherKey(cert: Buffer, key: Buffer): void {
  if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return;
  throw new Error('the key is that of another certificate');
}
