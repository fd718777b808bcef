/**
 * Confines a VM's QEMU, so that a guest that breaks out of it gains little: QEMU has a user of its own for each VM, no capabilities,
 * and the system calls that QEMU's own filter leaves (seccomp).
 *
 * The folder of a VM belongs to root and to the group of the VM's user. QEMU may add files to it only while it starts, when it makes
 * its sockets. The agent keeps its records there, and must find what it has written.
 */
import { chmod, chown, mkdir, stat } from 'node:fs/promises';
import { shortName } from './names.ts';

/**
 * Ids that systemd lists as unused (its docs/UIDS-GIDS.md). The first one is the group of all QEMUs, the others are the users of VMs.
 * A VM has the same one at each start, because files of its earlier QEMU may be there.
 */
const FIRST_ID = 0x7000_0000;
const USERS = 2 ** 27 - 1;

/** The user of a VM's QEMU, which is also its group. */
export function userOf(vm: string): number {
  return FIRST_ID + 1 + (Number.parseInt(shortName(vm), 16) % USERS);
}

/** What QEMU's own filter of system calls refuses. */
export const SANDBOX = ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'] as const;

/** The command that runs a program as the user of a VM. @param groups of {@link lendDevices} */
export function asUser(vm: string, groups: readonly number[], program: string, args: readonly string[]) {
  const user = `${userOf(vm)}`;
  const who = ['--reuid', user, '--regid', user, '--groups', groups.join(','), '--inh-caps=-all', '--no-new-privs'];
  return { program: 'setpriv', args: [...who, '--', program, ...args] };
}

/**
 * Devices that QEMU opens. Each of them is made for users without privileges: a tap can be opened by its owner alone, and page faults
 * for post-copy can be handled only by the process that has them.
 */
const DEVICES = ['/dev/net/tun', '/dev/userfaultfd'];
const KVM = '/dev/kvm';

/**
 * Makes sure that QEMUs may open their devices. A device of root alone is given to the group of all QEMUs.
 * @returns the groups that QEMU needs
 */
export async function lendDevices(accel: 'kvm' | 'tcg'): Promise<number[]> {
  const groups = new Set([FIRST_ID]);
  for (const device of accel === 'kvm' ? [...DEVICES, KVM] : DEVICES) {
    const found = await stat(device).catch(() => undefined);
    if (found === undefined || (found.mode & 0o006) === 0o006) continue;
    if (found.gid !== 0 && (found.mode & 0o060) === 0o060) groups.add(found.gid);
    else {
      await chown(device, found.uid, FIRST_ID);
      await chmod(device, (found.mode & 0o777) | 0o060);
    }
  }
  return [...groups];
}

/** Makes a VM's folder, in which its QEMU may add files until {@link closeFolder}. */
export async function openFolder(folder: string, vm: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chown(folder, 0, userOf(vm));
  // Sticky: QEMU can neither remove nor replace what the agent has there.
  await chmod(folder, 0o1730);
}

/** From now on QEMU can use its files in the folder, but change nothing in it. */
export async function closeFolder(folder: string): Promise<void> {
  await chmod(folder, 0o710);
}

/** Gives a file to the user of the VM to whose folder it belongs: to read and write it. */
export async function giveFile(path: string, folder: string): Promise<void> {
  const { uid, gid } = await userOfFolder(folder);
  await chown(path, uid, gid);
  await chmod(path, 0o600);
}

/** The user of the VM to whose folder it is; root where QEMU was started by an agent that knew no users. */
export async function userOfFolder(folder: string): Promise<{ readonly uid: number; readonly gid: number }> {
  const { gid } = await stat(folder);
  return { uid: gid, gid };
}
