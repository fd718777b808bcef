/**
 * Control groups: what the QEMU of a VM may use of its host. Each VM has a group of its own below the group of the agent: in one
 * hierarchy for all resources (version 2), or in one for each resource (version 1).
 *
 * Version 2 allows groups only where no process is. So the agent itself has to run in a group `agent` below one that was given to it
 * (`DelegateSubgroup=agent` of systemd). Where no group can be made, VMs run without these limits.
 */
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { retry } from '#shared/clock/retry.ts';
import type { Machine } from '#shared/hypervisor/qemu/protocol.ts';
import { shortName } from './names.ts';

/** The limited resources. */
export const RESOURCES = ['memory', 'pids', 'cpu'] as const;
/** A limited resource. */
export type Resource = (typeof RESOURCES)[number];

/** The limits of one QEMU. */
export interface Limits {
  /** The memory of the guest, and what QEMU itself needs. */
  readonly memoryBytes: number;
  /** Threads and processes. */
  readonly tasks: number;
  /** Processors' worth of time. */
  readonly cpus: number;
  /** Its share where the host is busy; 1 is that of a process of usual priority. */
  readonly weight: number;
}

/** What QEMU needs beside the guest's memory: buffers of copies and devices, and the kernel's cache of its disk. */
const OVERHEAD_BYTES = 2 ** 30;
/** The kernel's page tables and QEMU's maps of changed pages grow with the guest's memory. */
const OVERHEAD_SHARE = 1 / 64;
/** Translated code of an emulated guest: QEMU's own limit. */
const TRANSLATED_BYTES = 2 ** 30;
/** QEMU's own threads: for devices, the disk, copies and their encryption. */
const OWN_TASKS = 256;
/** Time for these threads, in processors. */
const OWN_CPUS = 1;
const PERIOD_US = 100_000;
/** The kernel gives a process so much more for each step of priority. */
const PER_STEP = 1.25;
/** A killed process may be in its group for a moment. */
const EMPTY_MS = 1_000;

/**
 * The limits of a VM's QEMU. Pure.
 * @param nice the priority of the agent, from -20 to 19. Within a group it counts only against others of the group, so the group has it
 */
export function limitsOf({ vcpus, spec }: Machine, accel: 'kvm' | 'tcg', nice: number): Limits {
  const own = OVERHEAD_BYTES + OVERHEAD_SHARE * spec.ramBytes + (accel === 'tcg' ? TRANSLATED_BYTES : 0);
  const cpus = OWN_CPUS + vcpus;
  const weight = cpus * PER_STEP ** -nice;
  return { memoryBytes: Math.ceil(spec.ramBytes + own), tasks: OWN_TASKS + vcpus, cpus, weight };
}

/** A place where groups of VMs can be made. */
export interface Place {
  readonly version: 1 | 2;
  /** The folder of the group above those of the VMs. */
  readonly base: string;
  readonly resources: readonly Resource[];
}

/**
 * The places for a process's groups. Pure.
 * @param mounts /proc/self/mountinfo
 * @param own /proc/self/cgroup
 */
export function placesOf(mounts: string, own: string): Place[] {
  const places: Place[] = [];
  const missing = new Set<Resource>(RESOURCES);
  for (const { kind, controllers, root, point } of hierarchies(mounts)) {
    const path = pathIn(own, kind, controllers);
    if (path === undefined) continue;
    const inside = root !== '/' && path.startsWith(root) ? path.slice(root.length) : path;
    const base = join(point, inside);
    if (kind === 'cgroup') {
      const resources = RESOURCES.filter((resource) => controllers.includes(resource) && missing.delete(resource));
      if (resources.length > 0) places.push({ version: 1, base, resources });
    } else if (basename(base) === 'agent') places.push({ version: 2, base: dirname(base), resources: RESOURCES });
  }
  return places;
}

function hierarchies(mounts: string) {
  return mounts.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, point] = before.split(' ');
    const [kind, , options = ''] = after.split(' ');
    if ((kind !== 'cgroup' && kind !== 'cgroup2') || root === undefined || point === undefined) return [];
    return [{ kind, controllers: options.split(','), root, point } as const];
  });
}

/** The group of a process in a hierarchy. */
function pathIn(own: string, kind: 'cgroup' | 'cgroup2', controllers: readonly string[]): string | undefined {
  for (const line of own.split('\n')) {
    const [, names = '', path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (kind === 'cgroup2' ? names === '' : names.split(',').some((name) => name !== '' && controllers.includes(name)))
      return path;
  }
  return undefined;
}

/** A file of a group and its content. `optional`: not every kernel has it, or the group above is narrower. */
type Setting = readonly [file: string, value: string, optional?: 'optional'];

/** Pure. */
export function settingsOf(
  version: 1 | 2,
  resource: Resource,
  { memoryBytes, tasks, cpus, weight }: Limits,
): Setting[] {
  const quotaUs = cpus * PERIOD_US;
  if (resource === 'pids') return [['pids.max', `${tasks}`]];
  if (version === 2) {
    if (resource === 'cpu') {
      return [
        ['cpu.weight', within(1, 100 * weight, 10_000)],
        ['cpu.max', `${quotaUs} ${PERIOD_US}`],
      ];
    }
    return [
      ['memory.max', `${memoryBytes}`],
      ['memory.swap.max', `${memoryBytes}`, 'optional'],
    ];
  }
  if (resource === 'cpu') {
    return [
      ['cpu.shares', within(2, 1024 * weight, 262_144)],
      ['cpu.cfs_quota_us', `${quotaUs}`, 'optional'],
    ];
  }
  // Memory and swap together: never less than memory, so it is raised first, and lowered last.
  const both = ['memory.memsw.limit_in_bytes', `${memoryBytes}`, 'optional'] as const;
  return [both, ['memory.limit_in_bytes', `${memoryBytes}`], both];
}

function within(least: number, value: number, most: number): string {
  return `${Math.min(most, Math.max(least, Math.round(value)))}`;
}

/** Owns the groups of an agent's VMs. */
export class ControlGroups {
  readonly #places: readonly Place[];

  private constructor(places: readonly Place[]) {
    this.#places = places;
  }

  /** Finds out which resources can be limited here, by making a group and removing it. */
  static async find(): Promise<ControlGroups> {
    const read = (path: string) => readFile(path, 'utf8').catch(() => '');
    const found: Place[] = [];
    for (const place of placesOf(await read('/proc/self/mountinfo'), await read('/proc/self/cgroup'))) {
      const usable = await usablePart(place);
      if (usable.resources.length > 0) found.push(usable);
    }
    return new ControlGroups(found);
  }

  /** None: VMs run without limits. */
  static none(): ControlGroups {
    return new ControlGroups([]);
  }

  /** The resources that are limited. */
  get limited(): readonly Resource[] {
    return RESOURCES.filter((resource) => this.#places.some(({ resources }) => resources.includes(resource)));
  }

  /**
   * Limits the processes of a VM. Harmless when repeated.
   * @param folder of the VM; it names the groups
   * @throws Error of the file system
   */
  async confine(folder: string, limits: Limits, pids: readonly number[]): Promise<void> {
    for (const { version, base, resources } of this.#places) {
      const group = groupIn(base, folder);
      if (version === 2) await enable(base, resources);
      await mkdir(group).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      for (const [file, value, optional] of resources.flatMap((one) => settingsOf(version, one, limits))) {
        const written = writeFile(join(group, file), value);
        await (optional ? written.catch(() => {}) : written);
      }
      for (const pid of pids) await writeFile(join(group, 'cgroup.procs'), `${pid}`);
    }
  }

  /** Removes the groups of a VM whose processes have ended. Harmless where there are none. */
  async release(folder: string): Promise<void> {
    for (const { base } of this.#places) {
      const isPassing = (error: unknown) => (error as NodeJS.ErrnoException).code === 'EBUSY';
      // A group that stays is empty, and is used again when the VM is started again.
      await retry(() => rmdir(groupIn(base, folder)), { everyMs: 5, withinMs: EMPTY_MS, isPassing }).catch(() => {});
    }
  }
}

/** A folder is of one VM of one agent; several agents may share the group above. */
const groupIn = (base: string, folder: string) => join(base, `tagalong-${shortName(folder)}`);

/** Version 2: lets the groups below limit these resources. Also repeated, because systemd takes it back when it starts the agent again. */
async function enable(base: string, resources: readonly Resource[]): Promise<void> {
  await writeFile(join(base, 'cgroup.subtree_control'), resources.map((resource) => `+${resource}`).join(' '));
}

async function usablePart(place: Place): Promise<Place> {
  const { version, base } = place;
  const probe = groupIn(base, `probe ${process.pid}`);
  try {
    let { resources } = place;
    if (version === 2) {
      const offered = (await readFile(join(base, 'cgroup.controllers'), 'utf8')).trim().split(' ');
      resources = resources.filter((resource) => offered.includes(resource));
      if (resources.length > 0) await enable(base, resources);
    }
    await mkdir(probe);
    await rmdir(probe);
    return { ...place, resources };
  } catch {
    return { ...place, resources: [] };
  }
}
