/** TLS between two QEMUs, which protects a VM's memory and disk in transit (QEMU's docs/system/tls.rst). */
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { AgentConfig } from '#shared/config/agent.ts';
import type { Qmp } from './qmp.ts';

/** Links an agent's certificates under the file names that QEMU expects. @returns the folder */
export async function layOutCertificates({ stateDir, tls }: AgentConfig): Promise<string> {
  const folder = join(resolve(stateDir), 'certificates');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const names = {
    'ca-cert.pem': tls.ca,
    'server-cert.pem': tls.cert,
    'server-key.pem': tls.key,
    'client-cert.pem': tls.cert,
    'client-key.pem': tls.key,
  };
  await Promise.all(Object.entries(names).map(([name, path]) => symlink(resolve(path), join(folder, name))));
  return folder;
}

/**
 * Gives a QEMU the certificates for one end of a connection.
 * @param folder undefined: no encryption
 * @returns the id of the `tls-creds-x509` object; empty without encryption
 */
export async function credentials(
  qmp: Qmp,
  folder: string | undefined,
  endpoint: 'server' | 'client',
): Promise<string> {
  if (folder === undefined) return '';
  const id = `tls-${endpoint}`;
  const there = await qmp.execute<{ name: string }[]>('qom-list', { path: '/objects' });
  if (!there.some(({ name }) => name === id)) {
    const properties = { dir: folder, endpoint, 'verify-peer': true };
    await qmp.execute('object-add', { 'qom-type': 'tls-creds-x509', id, ...properties });
  }
  return id;
}
