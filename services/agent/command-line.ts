/** QEMU's command line. Source and destination of a move get the same devices in the same order. */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Machine } from '#shared/hypervisor/qemu/protocol.ts';
import { foreignText } from '#shared/text.ts';
import { settledLog } from './bounded-log.ts';
import { SANDBOX, TUN } from './confinement.ts';
import { deviceNames, macAddress } from './names.ts';
import { type Inherited, inheritedFd } from './process.ts';

/** How much of a guest's console is kept. A guest can write to it without end. */
const CONSOLE_BYTES = 64 * 2 ** 10;
/** The port of the helper in the guest. */
const GUEST_PORT = 'org.tagalong.guest';
const LOG_TAIL_BYTES = 16 * 2 ** 10;

/** The paths of one VM's files. */
export interface QemuFiles {
  readonly folder: string;
  readonly monitor: string;
  /** A second monitor, for commands while QEMU's main loop is blocked. */
  readonly urgent: string;
  readonly guest: string;
  readonly log: string;
  readonly disk: string;
  /** The layer above the disk, where there is one. */
  readonly overlay: string;
  /** The kept disk of a VM that has moved on, and the note about it. */
  readonly kept: string;
  readonly note: string;
}

/** The paths of a VM's files in its folder. */
export function qemuFiles(folder: string): QemuFiles {
  return {
    folder,
    monitor: join(folder, 'qmp.sock'),
    urgent: join(folder, 'urgent.sock'),
    guest: join(folder, 'guest.sock'),
    log: join(folder, 'qemu.log'),
    disk: join(folder, 'disk.qcow2'),
    overlay: join(folder, 'overlay.qcow2'),
    kept: join(folder, 'kept.qcow2'),
    note: join(folder, 'kept.json'),
  };
}

/** Removes the sockets of an earlier QEMU. */
export async function clearSockets({ monitor, urgent, guest }: QemuFiles): Promise<void> {
  await Promise.all([monitor, urgent, guest].map((path) => rm(path, { force: true })));
}

/** The end of a file of any length. */
async function tailOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const buffer = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Warnings, and that a QEMU which ends may not remove its sockets from the agent's folder. */
const NOT_A_REASON = /^warning:|Failed to unlink socket /;

/** The last line of QEMU's log that is no warning. */
export async function lastWords({ log }: QemuFiles): Promise<string> {
  await settledLog(log);
  const said = await tailOf(log).catch(() => '');
  const lines = said.split('\n').filter((line) => line.trim() !== '' && !NOT_A_REASON.test(line));
  return foreignText(lines.at(-1)) || 'its log is empty';
}

type Images = AgentConfig['qemu']['images'];

/** The image of a machine. @throws TagalongError IMAGE_UNKNOWN */
export function imageOf(images: Images, vm: string, machine: Machine): Images[string] {
  const image = Object.hasOwn(images, machine.image) ? images[machine.image] : undefined;
  if (image) return image;
  const known = Object.keys(images).join(', ') || 'none';
  throw new TagalongError(
    'IMAGE_UNKNOWN',
    `${vm}: this site has no image "${machine.image}"; name one of qemu.images: ${known}`,
  );
}

/** The files that a VM's QEMU inherits open: those of its image, and {@link TUN} for each of its taps. */
export function inheritedOf({ kernel, initrd }: Images[string]): Inherited[] {
  const files = [kernel, initrd].filter((path) => path !== undefined);
  return [
    ...files.map((path) => ({ path, flags: 'r' }) as const),
    ...[0, 1].map(() => ({ path: TUN, flags: 'r+' }) as const),
  ];
}

/** The descriptors of a VM's taps among the files that its QEMU inherits, with their names. */
export function tapsOf(vm: string, inherited: readonly Inherited[]): [fd: number, name: string][] {
  const { taps } = deviceNames(vm);
  return taps.map((name, nic) => [inheritedFd(inherited.length - taps.length + nic), name]);
}

/**
 * The arguments of QEMU for one VM.
 * @param how.incoming true: QEMU waits for a VM, and does not run it when it has arrived
 * @param how.disk the top file of its disk
 * @throws TagalongError IMAGE_UNKNOWN
 */
export function commandLine(
  { accel, cpu, images }: AgentConfig['qemu'],
  { vm, machine, mtu }: { readonly vm: string; readonly machine: Machine; readonly mtu: number },
  files: QemuFiles,
  { incoming, disk }: { readonly incoming: boolean; readonly disk: string },
): string[] {
  const image = imageOf(images, vm, machine);
  const inherited = inheritedOf(image);
  const file = (wanted: string) => `/proc/self/fd/${inheritedFd(inherited.findIndex(({ path }) => path === wanted))}`;
  const taps = tapsOf(vm, inherited);
  const card = (nic: 0 | 1) => [
    ...['-netdev', `tap,id=net${nic},fd=${taps[nic]![0]}`],
    ...[
      '-device',
      `virtio-net-pci,id=nic${nic},netdev=net${nic},mac=${macAddress(vm, nic)},host_mtu=${mtu},romfile=,bus=pcie.0,addr=${4 + nic}`,
    ],
  ];
  return [
    ...['-name', `${vm},process=tagalong-${vm.slice(0, 5)}`, '-nodefaults', '-no-user-config', '-display', 'none'],
    ...SANDBOX,
    ...['-machine', `q35,accel=${accel}`, '-cpu', cpu, '-smp', `${machine.vcpus}`],
    ...['-m', `${Math.ceil(machine.spec.ramBytes / 2 ** 20)}M`],
    ...(image.kernel ? ['-kernel', file(image.kernel)] : []),
    ...(image.initrd ? ['-initrd', file(image.initrd)] : []),
    ...(image.append ? ['-append', image.append] : []),
    ...['-chardev', `ringbuf,id=console,size=${CONSOLE_BYTES}`, '-serial', 'chardev:console'],
    ...['-qmp', `unix:${files.monitor},server=on,wait=off`],
    ...['-qmp', `unix:${files.urgent},server=on,wait=off`],
    ...['-device', 'virtio-serial-pci,id=ports,bus=pcie.0,addr=3'],
    ...['-chardev', `socket,id=guest,path=${files.guest},server=on,wait=off`],
    ...['-device', `virtserialport,bus=ports.0,chardev=guest,name=${GUEST_PORT}`],
    ...card(0),
    ...card(1),
    ...(machine.spec.diskBytes > 0 ? diskArguments(disk) : []),
    ...(incoming ? ['-S', '-incoming', 'defer'] : []),
  ];
}

/** The arguments for a disk whose top file is `filename`. */
export function diskArguments(filename: string): string[] {
  // The top node only passes data on. It stays when a layer is put in below it, and it has the dirty bitmaps.
  const top = { driver: 'throttle', 'throttle-group': 'unlimited', file: 'image0', 'node-name': 'disk0' };
  return [
    ...['-object', 'throttle-group,id=unlimited'],
    ...['-blockdev', JSON.stringify({ driver: 'file', filename, 'node-name': 'file0' })],
    ...['-blockdev', JSON.stringify({ driver: 'qcow2', file: 'file0', 'node-name': 'image0' })],
    ...['-blockdev', JSON.stringify(top)],
    ...['-device', 'virtio-blk-pci,id=vda,drive=disk0,bus=pcie.0,addr=6'],
  ];
}
