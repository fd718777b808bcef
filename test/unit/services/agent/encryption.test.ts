/** The certificates that a QEMU reads while a connection is made. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { closeFolder, openFolder, userOf } from '#services/agent/confinement.ts';
import { credentials } from '#services/agent/encryption.ts';
import type { Qmp } from '#services/agent/qmp.ts';

const run = promisify(execFile);
let parent: string;
afterEach(() => rm(parent, { recursive: true, force: true }));

test.runIf(process.getuid?.() === 0)(
  'the user of a VM can read its certificates, and change nothing there',
  async () => {
    parent = await mkdtemp(join(tmpdir(), 'tagalong-encryption-'));
    await chmod(parent, 0o755);
    const folder = join(parent, 'vm');
    await openFolder(folder, 'v1');
    await closeFolder(folder);
    const files = { ca: join(parent, 'ca.pem'), cert: join(parent, 'a.pem'), key: join(parent, 'a.key') };
    for (const path of Object.values(files)) await writeFile(path, 'text', { mode: 0o600 });
    const user = `${userOf('v1')}`;
    const asVm = (...command: string[]) =>
      run('setpriv', ['--reuid', user, '--regid', user, '--clear-groups', '--inh-caps=-all', '--', ...command]).then(
        ({ stdout }) => stdout,
        () => 'refused',
      );
    const seen: string[] = [];
    const execute = async (command: string, { dir }: { dir?: string } = {}) => {
      if (command !== 'object-add') return [];
      seen.push(await asVm('cat', join(dir!, 'client-key.pem')));
      seen.push(await asVm('mkdir', join(dir!, 'more')));
      seen.push(await asVm('mv', join(dir!, 'client-key.pem'), join(dir!, 'moved')));
      seen.push(await asVm('rm', join(dir!, 'client-key.pem')));
      return {};
    };
    await credentials({ execute } as unknown as Qmp, { tls: files, folder }, 'client');
    expect(seen).toEqual(['text', 'refused', 'refused', 'refused']);
    expect(await readdir(folder)).toEqual([]);
  },
);
