/**
 * TLS between two QEMUs, which protects a VM's memory and disk in transit (QEMU's docs/system/tls.rst). Both ends check that the other
 * one is the site with which this move is made: the source by the name of the server, the destination by the client's distinguished
 * name. A certificate of the same authority is not enough.
 */
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentConfig } from '#shared/config/agent.ts';
import { distinguishedName } from '#shared/hypervisor/qemu/holder.ts';
import { userOfFolder } from './confinement.ts';
import type { ServerTls } from './migration-settings.ts';
import type { Qmp } from './qmp.ts';

/** The agent's certificates, and the folder of the VM whose QEMU gets them. */
export interface Certificates {
  readonly tls: AgentConfig['tls'];
  readonly folder: string;
}

/**
 * Copies the agent's certificates to where a QEMU can read them, under the file names that QEMU expects. The folder stays the agent's: a
 * QEMU that could change it could lead its removal into the folder of another VM.
 * @returns the folder
 */
async function layOut({ tls, folder }: Certificates): Promise<string> {
  const dir = join(folder, 'tls');
  await rm(dir, { recursive: true, force: true });
  const { uid, gid } = await userOfFolder(folder);
  await mkdir(dir, { mode: 0o700 });
  const names = {
    'ca-cert.pem': tls.ca,
    'server-cert.pem': tls.cert,
    'server-key.pem': tls.key,
    'client-cert.pem': tls.cert,
    'client-key.pem': tls.key,
    ...(tls.crl !== undefined && { 'ca-crl.pem': tls.crl }),
  };
  for (const [name, path] of Object.entries(names)) {
    await writeFile(join(dir, name), await readFile(path), { mode: 0o600 });
    await chown(join(dir, name), uid, gid);
  }
  await chown(dir, 0, gid);
  await chmod(dir, 0o750);
  return dir;
}

/**
 * Gives a QEMU the certificates for one end of a connection, as they are now: they may have been renewed since its last move.
 * @param certificates undefined: no encryption
 * @returns the id of the `tls-creds-x509` object; empty without encryption
 */
export async function credentials(
  qmp: Qmp,
  certificates: Certificates | undefined,
  endpoint: 'server' | 'client',
): Promise<string> {
  if (certificates === undefined) return '';
  const id = `tls-${endpoint}`;
  const dir = await layOut(certificates);
  try {
    await addObject(qmp, id, { 'qom-type': 'tls-creds-x509', dir, endpoint, 'verify-peer': true });
  } finally {
    // QEMU has read them, and needs the files no more.
    await rm(dir, { recursive: true, force: true });
  }
  return id;
}

/**
 * Gives a QEMU what it needs to accept connections of one other site alone.
 * @param certificates undefined: no encryption, and no site is told from another
 * @param peer the site whose QEMU may connect
 */
export async function admission(qmp: Qmp, certificates: Certificates | undefined, peer: string): Promise<ServerTls> {
  if (certificates === undefined) return { creds: '', authz: '' };
  const creds = await credentials(qmp, certificates, 'server');
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
