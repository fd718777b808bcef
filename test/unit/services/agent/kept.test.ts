/** The agent reuses a kept disk only if its content is certain. Real files, no QEMU. */
import { appendFile, chmod, mkdir, mkdtemp, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { qemuFiles } from '#services/agent/command-line.ts';
import type { InstanceRecord } from '#services/agent/instance-record.ts';
import { boundKeptDisks, keepDisk, takeKeptDisk } from '#services/agent/kept.ts';
import type { AgentConfig } from '#shared/config/agent.ts';

const DISK_BYTES = 1_000_000;
let stateDir = '';
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'kept-'));
});
afterEach(() => rm(stateDir, { recursive: true }));

const config = (keptDisksBytes = 1e9) => ({ stateDir, keptDisksBytes }) as AgentConfig;
const record = (token: string, state = 'sent', diskBytes = DISK_BYTES) =>
  ({ machine: { spec: { diskBytes } }, move: { landing: { token } }, sent: { copy: { state } } }) as InstanceRecord;
/** Writes the disk of a VM that has been handed over. */
const left = async (vm: string, content = 'what was written') => {
  const files = qemuFiles(join(stateDir, vm));
  await mkdir(files.folder);
  await writeFile(files.disk, content);
  return files;
};
const isThere = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

test('a kept disk becomes the disk of the returning VM, once', async () => {
  const files = await left('vm1');
  expect(await keepDisk(files, record('t1'), config())).toEqual([files.note, files.kept]);
  expect(await isThere(files.disk), 'no VM can start with it').toBe(false);

  expect(await takeKeptDisk(files, DISK_BYTES)).toBe('t1');
  expect(await readFile(files.disk, 'utf8')).toBe('what was written');
  expect(await takeKeptDisk(files, DISK_BYTES)).toBeUndefined();
});

test('a repeated order to keep a disk changes nothing', async () => {
  const files = await left('vm1');
  await keepDisk(files, record('t1'), config());
  expect(await keepDisk(files, record('t1'), config())).toEqual([files.note, files.kept]);
  expect(await takeKeptDisk(files, DISK_BYTES)).toBe('t1');
});

test.each([
  ['a QEMU that did not send everything', record('t1', 'stopped'), 1e9],
  ['a VM without a disk', record('t1', 'sent', 0), 1e9],
  ['a site that keeps none', record('t1'), 0],
])('no disk is kept of %s', async (_, handedOver, room) => {
  const files = await left('vm1');
  expect(await keepDisk(files, handedOver, config(room))).toEqual([]);
  expect(await takeKeptDisk(files, DISK_BYTES)).toBeUndefined();
});

const past = new Date(0);
test.each<[string, (files: ReturnType<typeof qemuFiles>) => Promise<unknown>]>([
  ['longer', ({ kept }) => appendFile(kept, 'x')],
  ['shorter', ({ kept }) => truncate(kept, 3)],
  [
    'changed, with its old times',
    ({ kept }) => writeFile(kept, 'what was WRITTEN').then(() => utimes(kept, past, past)),
  ],
  ['given other rights', ({ kept }) => chmod(kept, 0o600)],
  ['gone', ({ kept }) => rm(kept)],
  ['without its note', ({ note }) => rm(note)],
  ['with a note that cannot be read', ({ note }) => writeFile(note, '{"token":')],
])('a kept disk that is %s is not reused, and is removed', async (_, touch) => {
  const files = await left('vm1');
  await keepDisk(files, record('t1'), config());
  // The kernel's clock for files has a resolution of 4 ms or coarser.
  await new Promise((resolve) => setTimeout(resolve, 20));
  await touch(files);
  expect(await takeKeptDisk(files, DISK_BYTES)).toBeUndefined();
  expect(await isThere(files.disk)).toBe(false);
});

test('a kept disk of another size is not reused', async () => {
  const files = await left('vm1');
  await keepDisk(files, record('t1'), config());
  expect(await takeKeptDisk(files, 2 * DISK_BYTES)).toBeUndefined();
  expect(await isThere(files.kept)).toBe(false);
});

test('the oldest kept disks are removed beyond the limit of bytes', async () => {
  const all = [];
  for (const vm of ['vm1', 'vm2', 'vm3']) {
    const files = await left(vm, 'x'.repeat(8192));
    await keepDisk(files, record(vm), config());
    all.push(files);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await boundKeptDisks(stateDir, 20_000);
  expect(await Promise.all(all.map(({ kept }) => isThere(kept)))).toEqual([false, true, true]);
  await boundKeptDisks(stateDir, 0);
  expect(await Promise.all(all.map(({ kept, note }) => isThere(kept).then((k) => k || isThere(note))))).toEqual([
    false,
    false,
    false,
  ]);
});
