/**
 * The disk that a site keeps of a VM that has moved on, so that it need not come whole when it returns. Never the disk of
 * a VM that runs: it lies beside that under another name, and is used up by the first return, whether that succeeds or not.
 *
 * It is trusted only where a note says of which hand-over it is, and the file has not been touched since: the time of its
 * last change (`ctime`) cannot be set by programs, and a note is written only when all of the file is on the disk.
 */
import { open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentConfig } from '#shared/config/agent.ts';
import { parseRecord } from '#shared/store/store.ts';
import { isUnreadable } from '#shared/store/update.ts';
import { type QemuFiles, qemuFiles } from './command-line.ts';
import type { InstanceRecord } from './instance-record.ts';
import { KEPT_DISK_RECORD } from './kinds.ts';
import { mergeLayers } from './layers.ts';
import { syncFolder } from './record.ts';

/** What is written down of a disk that is kept. */
interface Note {
  /** Of the landing by which the VM left: both ends know it, and there is none like it. */
  readonly token: string;
  readonly diskBytes: number;
  /** As text: nanoseconds are more than a number holds. */
  readonly changedNs: string;
  readonly inode: string;
  readonly fileBytes: string;
}

/**
 * Keeps the disk of a VM that was handed over from here, where it is known what is on it; its QEMU is no more.
 * @returns the files that are to be spared
 */
export async function keepDisk(
  files: QemuFiles,
  { move, sent, machine }: InstanceRecord,
  { stateDir, keptDisksBytes }: AgentConfig,
): Promise<readonly string[]> {
  const { diskBytes } = machine.spec;
  if (keptDisksBytes === 0 || diskBytes === 0) return [];
  // A QEMU that died before it had sent all, and closed its disk, leaves one that nobody can vouch for.
  if (move === undefined || sent?.copy?.state !== 'sent') return [];
  const spared = [files.note, files.kept];
  const { token } = move.landing;
  if ((await readNote(files))?.token === token) return spared;
  await mergeLayers(files);
  const file = await open(files.disk, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(files.disk, files.kept);
  const note: Note = { token, diskBytes, ...(await identity(files.kept)) };
  await writeFile(`${files.note}.new`, JSON.stringify(KEPT_DISK_RECORD.write(note)), { mode: 0o600, flush: true });
  await rename(`${files.note}.new`, files.note);
  await syncFolder(files.folder);
  await boundKeptDisks(stateDir, keptDisksBytes);
  return spared;
}

/**
 * Makes the kept disk the disk of a VM that is awaited. No crash can have it used twice.
 * @returns the token of the hand-over that it is of; undefined where none is kept, or there is any doubt about it
 */
export async function takeKeptDisk(files: QemuFiles, diskBytes: number): Promise<string | undefined> {
  const note = await readNote(files);
  await rm(files.note, { force: true });
  if (note === undefined) return undefined;
  await syncFolder(files.folder);
  const now = await identity(files.kept).catch(() => undefined);
  const isUntouched = now?.changedNs === note.changedNs && now.inode === note.inode && now.fileBytes === note.fileBytes;
  if (!isUntouched || note.diskBytes !== diskBytes) {
    await dropKeptDisk(files);
    return undefined;
  }
  await rm(files.overlay, { force: true });
  await rename(files.kept, files.disk);
  return note.token;
}

async function dropKeptDisk({ note, kept }: QemuFiles): Promise<void> {
  // The note first: without it the rest means nothing.
  await rm(note, { force: true });
  await rm(kept, { force: true });
}

/** Drops the oldest of a site's kept disks until the others take no more than so many bytes of its file system. */
export async function boundKeptDisks(stateDir: string, maxBytes: number): Promise<void> {
  const all = [];
  for (const name of await readdir(stateDir)) {
    const files = qemuFiles(join(stateDir, name));
    const file = await stat(files.kept).catch(() => undefined);
    // What is sparse takes less than its size.
    if (file) all.push({ files, bytes: file.blocks * 512, changedMs: file.ctimeMs });
  }
  let sum = 0;
  for (const { files, bytes } of all.sort((a, b) => b.changedMs - a.changedMs)) {
    sum += bytes;
    if (sum > maxBytes) await dropKeptDisk(files);
  }
}

async function readNote({ note }: QemuFiles): Promise<Note | undefined> {
  const text = await readFile(note, 'utf8').catch(() => undefined);
  try {
    return text === undefined ? undefined : KEPT_DISK_RECORD.read(parseRecord(text));
  } catch (error) {
    // In doubt the disk comes whole.
    if (!isUnreadable(error)) throw error;
    return undefined;
  }
}

/** What tells a file from another one, and from itself after a change. */
async function identity(path: string): Promise<Pick<Note, 'changedNs' | 'inode' | 'fileBytes'>> {
  const { ctimeNs, ino, size } = await stat(path, { bigint: true });
  return { changedNs: `${ctimeNs}`, inode: `${ino}`, fileBytes: `${size}` };
}
