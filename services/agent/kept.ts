/**
 * The disk that a site keeps of a VM that has moved on, so that it need not be copied whole when the VM returns. It is never the
 * disk of a running VM: it has another file name, and the first return uses it up, whether that succeeds or not.
 *
 * It is used only if a note names its hand-over and the file has not changed since. Programs cannot set a file's change time
 * (`ctime`), and the note is written after the whole file has been synced.
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

/** The note beside a kept disk. */
interface Note {
  /** The token of the receiver to which the VM left: unique, and both ends know it. */
  readonly token: string;
  readonly diskBytes: number;
  /** As text, because nanoseconds since the epoch exceed the exact integers of a number. */
  readonly changedNs: string;
  readonly inode: string;
  readonly fileBytes: string;
}

/**
 * Keeps the disk of a VM that was handed over from here, if its content is known. Its QEMU has to be gone.
 * @returns the files that must not be deleted
 */
export async function keepDisk(
  files: QemuFiles,
  { move, sent, machine }: InstanceRecord,
  { stateDir, keptDisksBytes }: AgentConfig,
): Promise<readonly string[]> {
  const { diskBytes } = machine.spec;
  if (keptDisksBytes === 0 || diskBytes === 0) return [];
  // If QEMU died before it had sent everything and closed the disk, the content is unknown.
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
 * Makes the kept disk the disk of an awaited VM. After a crash it is not used a second time.
 * @returns the token of the hand-over to which it belongs; undefined: there is no kept disk, or its content is uncertain
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
  // The note first: without it the disk is not used.
  await rm(note, { force: true });
  await rm(kept, { force: true });
}

/** Deletes a site's oldest kept disks until the others take at most `maxBytes` of its file system. */
export async function boundKeptDisks(stateDir: string, maxBytes: number): Promise<void> {
  const all = [];
  for (const name of await readdir(stateDir)) {
    const files = qemuFiles(join(stateDir, name));
    const file = await stat(files.kept).catch(() => undefined);
    // A sparse file takes less than its size.
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
    // An unreadable note counts as missing: the whole disk is copied.
    if (!isUnreadable(error)) throw error;
    return undefined;
  }
}

/** Identifies a file and its last change. */
async function identity(path: string): Promise<Pick<Note, 'changedNs' | 'inode' | 'fileBytes'>> {
  const { ctimeNs, ino, size } = await stat(path, { bigint: true });
  return { changedNs: `${ctimeNs}`, inode: `${ino}`, fileBytes: `${size}` };
}
