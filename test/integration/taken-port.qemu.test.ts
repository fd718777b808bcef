/** The agent picks a port for QEMU. If another process has taken it, the agent picks another one. Real QEMU without a guest. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { diskArguments, type QemuFiles, qemuFiles } from '#services/agent/command-line.ts';
import { serveDisk } from '#services/agent/disk.ts';
import { createDisk } from '#services/agent/layers.ts';
import { mainChannel } from '#services/agent/migration-settings.ts';
import { freePort, listenAtFreePort } from '#services/agent/ports.ts';
import { end, type ProcessId, startDetached } from '#services/agent/process.ts';
import { openQmpOf, type Qmp } from '#services/agent/qmp.ts';
import { listeningPort } from '#services/agent/query-migrate.ts';
import { onTestBed } from '../testbed/needs.ts';

/** Without encryption. */
const OPEN = { creds: '', authz: '' };

onTestBed('a port that is taken', () => {
  let files: QemuFiles;
  let process: ProcessId;
  let qmp: Qmp;
  let taken: Server;
  let takenPort: number;

  beforeEach(async () => {
    files = qemuFiles(await mkdtemp(join(tmpdir(), 'tagalong-port-')));
    await createDisk(files, 2 ** 20, undefined);
    const args = ['-nodefaults', '-display', 'none', '-machine', 'q35,accel=tcg', '-m', '32M', '-S'];
    const monitor = ['-qmp', `unix:${files.monitor},server=on,wait=off`, '-incoming', 'defer'];
    process = await startDetached('qemu-system-x86_64', [...args, ...monitor, ...diskArguments(files.disk)], 'ignore');
    qmp = (await openQmpOf(process, files.monitor))!;
    taken = createServer().listen(0, '0.0.0.0');
    await once(taken, 'listening');
    takenPort = (taken.address() as { port: number }).port;
  });
  afterEach(async () => {
    qmp.close();
    taken.close();
    await end(process);
    await rm(files.folder, { recursive: true });
  });

  /** Picks the taken port first, then free ones. */
  const picks = () => vi.fn(freePort).mockResolvedValueOnce(takenPort);

  test.each([false, true])(
    'is not picked by QEMU for memory; QEMU reports the port that it picked (multipath TCP: %s)',
    async (mptcp) => {
      const channels = mainChannel('0.0.0.0', 0, mptcp);
      await qmp.execute('migrate-incoming', { channels, 'exit-on-error': false });
      const port = await listeningPort(qmp);
      expect(port).not.toBe(takenPort);
      const socket = connect({ host: '127.0.0.1', port });
      await once(socket, 'connect');
      socket.destroy();
    },
  );

  test('is replaced for a disk', async () => {
    const pick = picks();
    const port = await listenAtFreePort((each) => serveDisk(qmp, each, false, OPEN), pick);
    expect(pick).toHaveBeenCalledTimes(2);
    expect(port).not.toBe(takenPort);
    const [exported] = await qmp.execute<{ id: string }[]>('query-block-exports');
    expect(exported).toMatchObject({ id: 'export0' });
  });

  test('is the only reason for another attempt: another failure is thrown at once', async () => {
    const pick = picks();
    const failing = listenAtFreePort(async () => void (await qmp.execute('no-such-command')), pick);
    await expect(failing).rejects.toMatchObject({ name: 'QmpError' });
    expect(pick).toHaveBeenCalledTimes(1);
  });
});
