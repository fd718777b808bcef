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

/** The user of the processes that write the logs of QEMUs; no QEMU has it. */
const READER = FIRST_ID;

/** The system calls that QEMU's own filter refuses. */
export const SANDBOX = ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'] as const;

/** A program and its arguments. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** A disk's file has also QEMU's own tables and marks of changed pieces. */
const FILE_SHARE = 2;
const FILE_OVERHEAD_BYTES = 64 * 2 ** 20;

/**
 * The command that runs a program as the user of a VM. None of its files can become larger than twice the disk and 64 MiB, and it
 * leaves no image of its memory when it crashes.
 * @param groups of {@link lendDevices}
 */
export function asUser(
  { vm, diskBytes, groups }: { readonly vm: string; readonly diskBytes: number; readonly groups: readonly number[] },
  { program, args }: Command,
): Command {
  const fileBytes = FILE_SHARE * diskBytes + FILE_OVERHEAD_BYTES;
  const user = ['setpriv', ...asId(userOf(vm)), '--groups', groups.join(','), '--', program, ...args];
  return { program: 'prlimit', args: [`--fsize=${fileBytes}:${fileBytes}`, '--core=0:0', '--', ...user] };
}

/** The command that runs a program which only reads what a QEMU prints. */
export function asReader(program: string, args: readonly string[]): Command {
  return { program: 'setpriv', args: [...asId(READER), '--clear-groups', '--', program, ...args] };
}

function asId(id: number): string[] {
  return ['--reuid', `${id}`, '--regid', `${id}`, '--inh-caps=-all', '--no-new-privs'];
}

/** Device of the taps. The agent opens it, not QEMU. */
export const TUN = '/dev/net/tun';

/**
 * Makes taps of inherited descriptors, and runs a program that then has them. Perl, because neither Node nor a shell has this system
 * call (`TUNSETIFF`, with the flags IFF_TAP, IFF_NO_PI and IFF_VNET_HDR of Linux). Arguments: the number of taps, descriptor and name of
 * each, the program and its arguments.
 */
const OPEN_TAPS = `
$^F = 1023;
for (1 .. shift) {
  my ($fd, $name) = splice @ARGV, 0, 2;
  open $tap{$name}, "+<&=", $fd or die "descriptor $fd: $!\n";
  ioctl $tap{$name}, 0x400454ca, pack("a16 s x22", $name, 0x5002) or die "tap $name: $!\n";
}
exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
`;

/** The command that runs another one with some taps open. @param taps by descriptor, each of which is {@link TUN} */
export function withTaps(taps: readonly (readonly [fd: number, name: string])[], { program, args }: Command): Command {
  return { program: 'perl', args: ['-e', OPEN_TAPS, `${taps.length}`, ...taps.flat().map(String), program, ...args] };
}

/** Devices that QEMU opens. They are made for users without privileges: only a process itself can handle its page faults for post-copy. */
const DEVICES = ['/dev/userfaultfd'];
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
