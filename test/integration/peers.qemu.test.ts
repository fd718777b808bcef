/**
 * A receiving QEMU serves the memory and the disk of a VM to the source of this move alone. Every attacker here has a certificate of
 * the same authority. Real QEMUs without a guest.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { diskArguments, type QemuFiles, qemuFiles } from '#services/agent/command-line.ts';
import { credentials } from '#services/agent/encryption.ts';
import { createDisk } from '#services/agent/layers.ts';
import { capabilities, mainChannel } from '#services/agent/migration-settings.ts';
import { clearRules, fence } from '#services/agent/packet-rules.ts';
import { end, type ProcessId, startDetached } from '#services/agent/process.ts';
import { openQmpOf, type Qmp } from '#services/agent/qmp.ts';
import { migrationStatus } from '#services/agent/query-migrate.ts';
import { listen } from '#services/agent/receiver.ts';
import { until } from '#shared/clock/retry.ts';
import type { AgentConfig } from '#shared/config/agent.ts';
import { onTestBed } from '../testbed/needs.ts';

const run = promisify(execFile);
const SCRIPT = new URL('../../deploy/certificates.sh', import.meta.url).pathname;
const SETTINGS = { autoConverge: true, compression: 'none', mptcp: false } as AgentConfig['qemu'];
const DISK_BYTES = 2 ** 20;
/** Long enough for a connection on loopback that is not dropped. */
const DROPPED_MS = 1_000;

interface Running {
  readonly files: QemuFiles;
  readonly id: ProcessId;
  readonly qmp: Qmp;
}

onTestBed('a QEMU that awaits a VM from oslo', () => {
  let folder: string;
  let receiver: Running;
  let ports: { memoryPort?: number; diskPort?: number } = {};
  const all: Running[] = [];
  const vm = `peers-${process.pid}`;

  const tlsOf = (name: string) => {
    const file = (kind: string) => join(folder, 'tls', kind);
    return { ca: file('ca.pem'), cert: file(`${name}.pem`), key: file(`${name}.key`) };
  };
  /** A folder with a client's certificate under the names that QEMU's programs expect. */
  const clientFolder = async (name: string) => {
    const { ca, cert, key } = tlsOf(name);
    const dir = join(folder, `client-${name}`);
    await mkdir(dir);
    for (const [to, from] of Object.entries({ 'ca-cert': ca, 'client-cert': cert, 'client-key': key }))
      await copyFile(from, join(dir, `${to}.pem`));
    return dir;
  };
  const start = async (name: string, incoming: boolean): Promise<Running> => {
    const files = qemuFiles(join(folder, `vm-${name}`));
    await mkdir(files.folder);
    await createDisk(files, DISK_BYTES, undefined);
    const args = ['-nodefaults', '-display', 'none', '-machine', 'q35,accel=tcg', '-m', '32M', '-S'];
    const monitor = ['-qmp', `unix:${files.monitor},server=on,wait=off`, ...(incoming ? ['-incoming', 'defer'] : [])];
    const id = await startDetached('qemu-system-x86_64', [...args, ...monitor, ...diskArguments(files.disk)], 'ignore');
    const running = { files, id, qmp: (await openQmpOf(id, files.monitor))! };
    all.push(running);
    return running;
  };
  /** Reads and writes the disk as somebody with this certificate does. */
  const openDisk = async (certificate: string | undefined) => {
    const tls = certificate && `tls-creds-x509,id=t0,dir=${await clientFolder(certificate)},endpoint=client`;
    const more = tls ? ',tls-creds=t0,tls-hostname=bonn' : '';
    const options = `driver=nbd,host=127.0.0.1,port=${ports.diskPort},export=disk0${more}`;
    const commands = ['-c', 'write -P 0x41 4096 512', '-c', 'read -P 0x41 4096 512'];
    await run('qemu-io', [...(tls ? ['--object', tls] : []), '--image-opts', options, ...commands], {
      timeout: 20_000,
    });
  };
  /** Sends the memory of another VM as somebody with this certificate does. @returns how that ended */
  const sendMemory = async (certificate: string, from: Running) => {
    const { qmp } = from;
    const creds = await credentials(qmp, { tls: tlsOf(certificate), folder: from.files.folder }, 'client');
    await qmp.execute('migrate-set-capabilities', {
      capabilities: [
        ...capabilities(SETTINGS, 'source', false),
        { capability: 'pause-before-switchover', state: false },
        // With TLS 1.3 a sender may send all before the receiver looks at its certificate. So it waits for the receiver's answer.
        { capability: 'return-path', state: true },
      ],
    });
    await qmp.execute('migrate-set-parameters', { 'tls-creds': creds, 'tls-hostname': 'bonn' });
    await qmp.execute('migrate', { channels: mainChannel('127.0.0.1', ports.memoryPort!, false) });
    await until(async () => ['failed', 'completed'].includes(await migrationStatus(qmp)), {
      everyMs: 20,
      withinMs: 30_000,
    });
    return migrationStatus(qmp);
  };
  const connects = async (host: string, port: number) => {
    const socket = connect({ host, port });
    try {
      return await Promise.race([
        once(socket, 'connect').then(() => true),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(false), DROPPED_MS)),
      ]);
    } finally {
      socket.destroy();
    }
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tagalong-peers-'));
    const authority = join(folder, 'tls');
    await run('sh', [SCRIPT, authority, 'control', 'oslo', 'bonn', 'rome']);
    for (const kind of ['pem', 'key'])
      await copyFile(join(authority, `oslo.${kind}`), join(authority, `revoked.${kind}`));
    await run('sh', [SCRIPT, '--revoke', authority, 'oslo']);
    await run('sh', [SCRIPT, '--renew', authority, 'oslo']);
    receiver = await start('bonn', true);
    const settings = {
      qemu: SETTINGS,
      certificates: { tls: { ...tlsOf('bonn'), crl: join(authority, 'crl.pem') }, folder: receiver.files.folder },
      receiver: { postCopy: false },
      peer: 'oslo',
      hasDisk: true,
      fence: (open: readonly number[]) => fence(vm, [{ provider: 'north', address: '127.0.0.1' }], open),
    };
    await listen(receiver.qmp, settings, async (more) => {
      ports = { ...ports, ...more };
    });
  });
  afterAll(async () => {
    await clearRules(vm);
    for (const { qmp, id } of all) {
      qmp.close();
      await end(id);
    }
    await rm(folder, { recursive: true });
  });

  test('listens on the addresses of the paths alone', async () => {
    for (const port of [ports.diskPort!, ports.memoryPort!]) {
      expect(await connects('127.0.0.1', port)).toBe(true);
      expect(await connects('127.0.0.2', port)).toBe(false);
    }
  });

  describe('refuses its disk', () => {
    test.each(['rome', 'control', 'bonn'])('to %s, which has no part in the move', async (name) => {
      await expect(openDisk(name)).rejects.toMatchObject({ code: 1 });
    });
    test('to a certificate of oslo that is revoked', () =>
      expect(openDisk('revoked')).rejects.toMatchObject({ code: 1 }));
    test('to a client without a certificate', () => expect(openDisk(undefined)).rejects.toMatchObject({ code: 1 }));
  });

  test('serves its disk to oslo', () => openDisk('oslo'));

  test('takes no memory from another site, and then that of oslo', async () => {
    const source = await start('source', false);
    for (const name of ['rome', 'control']) expect(await sendMemory(name, source), name).toBe('failed');
    expect(await migrationStatus(receiver.qmp)).toBe('setup');
    expect(await sendMemory('oslo', source)).toBe('completed');
    expect(
      await until(async () => (await migrationStatus(receiver.qmp)) === 'completed', { everyMs: 20, withinMs: 30_000 }),
    ).toBe(true);
  });
});
