/**
 * TLS between two QEMUs, which protects a VM's memory and disk in transit (QEMU's docs/system/tls.rst). Both ends check that the other
 * one is the site with which this move is made: the source by the name of the server, the destination by the client's distinguished
 * name. A certificate of the same authority is not enough.
 */
import { mkdir, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { AgentConfig } from '#shared/config/agent.ts';
import { distinguishedName } from '#shared/hypervisor/qemu/holder.ts';
import type { ServerTls } from './migration-settings.ts';
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
  await addObject(qmp, id, { 'qom-type': 'tls-creds-x509', dir: folder, endpoint, 'verify-peer': true });
  return id;
}

/**
 * Gives a QEMU what it needs to accept connections of one other site alone.
 * @param folder undefined: no encryption, and no site is told from another
 * @param peer the site whose QEMU may connect
 */
export async function admission(qmp: Qmp, folder: string | undefined, peer: string): Promise<ServerTls> {
  if (folder === undefined) return { creds: '', authz: '' };
  const creds = await credentials(qmp, folder, 'server');
  const authz = 'peer';
  await addObject(qmp, authz, { 'qom-type': 'authz-simple', identity: distinguishedName(peer) });
  return { creds, authz };
}

/** Makes an object in QEMU. Replaces one of that id: certificates are read when it is made, and the peer differs from move to move. */
async function addObject(qmp: Qmp, id: string, properties: object): Promise<void> {
  const there = await qmp.execute<{ name: string }[]>('qom-list', { path: '/objects' });
  if (there.some(({ name }) => name === id)) await qmp.execute('object-del', { id });
  await qmp.execute('object-add', { id, ...properties });
}
