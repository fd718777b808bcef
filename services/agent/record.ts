/** The records of an agent's VMs. The agent writes them before it acts, so that the owner of each VM is on record after a crash. */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TagalongError } from '#shared/errors.ts';
import { parseRecord } from '#shared/store/store.ts';
import { isUnreadable } from '#shared/store/update.ts';
import type { InstanceRecord } from './instance-record.ts';
import { INSTANCE_RECORD, storeInstance } from './kinds.ts';
import { shortName } from './names.ts';

/** Owns the records of one agent, and a folder for each VM. */
export class Records {
  readonly #dir: string;
  readonly #setAside = new Map<string, string>();

  constructor(stateDir: string) {
    this.#dir = stateDir;
  }

  /** The folder of a VM's sockets, logs and disk. Short, because the path of a Unix socket may have 107 bytes. */
  folder(vm: string): string {
    return join(this.#dir, shortName(vm));
  }

  /** Reads all records. Those that cannot be read are set aside: their VMs, and all their files, are left as they are. */
  async load(): Promise<InstanceRecord[]> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const records: InstanceRecord[] = [];
    this.#setAside.clear();
    for (const { name } of await readdir(this.#dir, { withFileTypes: true })) {
      const path = join(this.#dir, name, 'record.json');
      const text = await readFile(path, 'utf8').catch(() => undefined);
      if (text === undefined) continue;
      try {
        records.push(INSTANCE_RECORD.read(parseRecord(text)));
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        this.#setAside.set(join(this.#dir, name), `${path}: ${error.message}`);
      }
    }
    return records;
  }

  /** Folders of VMs whose record cannot be read, and why. */
  get setAside(): ReadonlyMap<string, string> {
    return this.#setAside;
  }

  /** Refuses a VM whose record cannot be read, because its owner is unknown. @throws TagalongError STORE_RECORD_UNREADABLE */
  refuseSetAside(vm: string): void {
    const why = this.#setAside.get(this.folder(vm));
    if (why === undefined) return;
    const next = 'mend or remove that file, then restart the agent: deploy/UPGRADE.md has how';
    throw new TagalongError('STORE_RECORD_UNREADABLE', `${vm} is set aside, because ${why}; ${next}`);
  }

  /** Resolves when the record is on the disk. */
  async save(record: InstanceRecord): Promise<void> {
    const folder = this.folder(record.vm);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, 'record.json');
    // Never through a link that a QEMU may have put there.
    await rm(`${path}.new`, { force: true });
    const file = await open(`${path}.new`, 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify(INSTANCE_RECORD.write(storeInstance(record))));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    await syncFolder(folder);
  }

  /** Deletes a VM's record and files, except those in `kept`. Resolves when that is on the disk. */
  async delete(vm: string, kept: readonly string[] = []): Promise<void> {
    const folder = this.folder(vm);
    // The record first: without it the other files are not used.
    await rm(join(folder, 'record.json'), { force: true });
    await syncFolder(folder).catch(() => {});
    if (kept.length === 0) return rm(folder, { recursive: true, force: true });
    for (const name of await readdir(folder)) {
      const path = join(folder, name);
      if (!kept.includes(path)) await rm(path, { recursive: true, force: true });
    }
  }
}

/** Syncs a folder: resolves when the names in it are on the disk. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
