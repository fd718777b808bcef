/** How QEMU is started. Source and destination of a move get the same devices in the same order. */
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Machine } from '#shared/hypervisor/qemu/protocol.ts';
import { foreignText } from '#shared/text.ts';
import { deviceNames, macAddress } from './names.ts';

/** The port of the helper in the guest. */
const GUEST_PORT = 'org.tagalong.guest';
const LOG_TAIL_BYTES = 16 * 2 ** 10;

export interface QemuFiles {
  readonly folder: string;
  readonly monitor: string;
  /** A second monitor, for what has to be carried out while QEMU is held up. */
  readonly urgent: string;
  readonly guest: string;
  readonly console: string;
  readonly log: string;
  readonly disk: string;
  /** Above the disk, where there is one. */
  readonly overlay: string;
  /** What is kept of the disk of a VM that has moved on, and what is written down of it. */
  readonly kept: string;
  readonly note: string;
}

/** Where a VM's files are in its folder. */
export function qemuFiles(folder: string): QemuFiles {
  return {
    folder,
    monitor: join(folder, 'qmp.sock'),
    urgent: join(folder, 'urgent.sock'),
    guest: join(folder, 'guest.sock'),
    console: join(folder, 'console.log'),
    log: join(folder, 'qemu.log'),
    disk: join(folder, 'disk.qcow2'),
    overlay: join(folder, 'overlay.qcow2'),
    kept: join(folder, 'kept.qcow2'),
    note: join(folder, 'kept.json'),
  };
}

/** Removes what a QEMU before this one left. */
export async function clearSockets({ monitor, urgent, guest }: QemuFiles): Promise<void> {
  await Promise.all([monitor, urgent, guest].map((path) => rm(path, { force: true })));
}

/** The end of a file that its writer may have made as long as it liked. */
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

/** The last line that a QEMU said; what it only warned of does not end it. */
export async function lastWords({ log }: QemuFiles): Promise<string> {
  const said = await tailOf(log).catch(() => '');
  const lines = said.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('warning:'));
  return foreignText(lines.at(-1)) || 'it said nothing';
}

/**
 * The arguments of QEMU for one VM.
 * @param how.incoming true: waits to be sent a running VM, and stands still when it has got it
 * @param how.disk the file at the top of its disk
 * @throws TagalongError IMAGE_UNKNOWN
 */
export function commandLine(
  { accel, cpu, images }: AgentConfig['qemu'],
  { vm, machine, mtu }: { readonly vm: string; readonly machine: Machine; readonly mtu: number },
  files: QemuFiles,
  { incoming, disk }: { readonly incoming: boolean; readonly disk: string },
): string[] {
  const image = Object.hasOwn(images, machine.image) ? images[machine.image] : undefined;
  if (image === undefined) {
    const known = Object.keys(images).join(', ') || 'none';
    throw new TagalongError('IMAGE_UNKNOWN', `${vm}: no image "${machine.image}" here; qemu.images has ${known}`);
  }
  const { taps } = deviceNames(vm);
  const card = (nic: 0 | 1) => [
    ...['-netdev', `tap,id=net${nic},ifname=${taps[nic]},script=no,downscript=no`],
    ...[
      '-device',
      `virtio-net-pci,id=nic${nic},netdev=net${nic},mac=${macAddress(vm, nic)},host_mtu=${mtu},romfile=,bus=pcie.0,addr=${4 + nic}`,
    ],
  ];
  return [
    ...['-name', `${vm},process=tagalong-${vm.slice(0, 5)}`, '-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-machine', `q35,accel=${accel}`, '-cpu', cpu, '-smp', `${machine.vcpus}`],
    ...['-m', `${Math.ceil(machine.spec.ramBytes / 2 ** 20)}M`],
    ...(image.kernel ? ['-kernel', image.kernel] : []),
    ...(image.initrd ? ['-initrd', image.initrd] : []),
    ...(image.append ? ['-append', image.append] : []),
    ...['-serial', `file:${files.console}`],
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

/** The arguments for a disk of which that file is the top. */
export function diskArguments(filename: string): string[] {
  // The node at the top only passes on: it stays where it is when a layer is put in below it, and counts what is written.
  const top = { driver: 'throttle', 'throttle-group': 'unlimited', file: 'image0', 'node-name': 'disk0' };
  return [
    ...['-object', 'throttle-group,id=unlimited'],
    ...['-blockdev', JSON.stringify({ driver: 'file', filename, 'node-name': 'file0' })],
    ...['-blockdev', JSON.stringify({ driver: 'qcow2', file: 'file0', 'node-name': 'image0' })],
    ...['-blockdev', JSON.stringify(top)],
    ...['-device', 'virtio-blk-pci,id=vda,drive=disk0,bus=pcie.0,addr=6'],
  ];
}
