/**
 * The files of a VM's disk: a base, and an overlay above it once a return has begun (`disk.ts` says why). The top file is the disk.
 * An overlay is never replaced while the VM is here; an empty overlay passes through the data below it.
 *
 * QEMU has written these files, so they can name other files of the host as parts of the disk. Therefore only the VM's own user reads
 * them.
 */
import { access, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { QemuFiles } from './command-line.ts';
import { giveFile, userOfFolder } from './confinement.ts';
import { run } from './process.ts';

/** Makes a disk of `diskBytes`: a copy of an image, or an empty one. Replaces what is there. */
export async function createDisk(
  { disk, overlay }: QemuFiles,
  diskBytes: number,
  image: string | undefined,
): Promise<void> {
  await Promise.all([disk, overlay].map((path) => rm(path, { force: true })));
  if (image) {
    await run('qemu-img', ['convert', '-O', 'qcow2', image, disk]);
    await run('qemu-img', ['resize', '-q', disk, `${diskBytes}`]);
  } else await run('qemu-img', ['create', '-q', '-f', 'qcow2', disk, `${diskBytes}`]);
}

/** The file with which QEMU is started; undefined where the VM has no disk yet. */
export async function topLayer({ disk, overlay }: QemuFiles): Promise<string | undefined> {
  if (await exists(overlay)) return overlay;
  return (await exists(disk)) ? disk : undefined;
}

/** Makes an empty overlay. */
export async function createOverlay({ folder, disk, overlay }: QemuFiles): Promise<void> {
  await writeFile(overlay, '');
  await giveFile(overlay, folder);
  // The backing file's name is relative to the overlay.
  const args = ['create', '-q', '-f', 'qcow2', '-b', basename(disk), '-F', 'qcow2', overlay];
  await run('qemu-img', args, await userOfFolder(folder));
}

/** Merges the overlay into the disk, for a VM whose QEMU is gone. */
export async function mergeLayers({ folder, overlay }: QemuFiles): Promise<void> {
  if (!(await exists(overlay))) return;
  await run('qemu-img', ['commit', '-q', '-d', overlay], await userOfFolder(folder));
  await rm(overlay);
}

/** True where a file of that name exists. */
export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
