/**
 * The files of a VM's disk: one, and a second one above it where a return was begun (`disk.ts` says why). The upper one,
 * where there is one, is the disk: it is never made anew while the VM is here, and empty it shows what is below.
 */
import { access, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import type { QemuFiles } from './command-line.ts';
import { run } from './process.ts';

/** Makes a disk: a copy of an image, or an empty one. */
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

/** The file that a VM is started with; undefined where it has no disk yet. */
export async function topLayer({ disk, overlay }: QemuFiles): Promise<string | undefined> {
  if (await exists(overlay)) return overlay;
  return (await exists(disk)) ? disk : undefined;
}

/** Makes the second one, empty. */
export async function createOverlay({ disk, overlay }: QemuFiles): Promise<void> {
  // Relative to where it lies itself.
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', basename(disk), '-F', 'qcow2', overlay]);
}

/** Makes one of two, for a VM that is here no more. */
export async function mergeLayers({ overlay }: QemuFiles): Promise<void> {
  if (!(await exists(overlay))) return;
  await run('qemu-img', ['commit', '-q', '-d', overlay]);
  await rm(overlay);
}

/** True: there is such a file. */
export function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
