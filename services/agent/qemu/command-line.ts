/** How QEMU is started. Source and destination of a move get the same devices in the same order. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Machine } from '#shared/hypervisor/qemu/protocol.ts';
import { deviceNames, macAddress } from './names.ts';

/** The port of the helper in the guest. */
const GUEST_PORT = 'org.tagalong.guest';

export interface QemuFiles {
  readonly monitor: string;
  /** A second monitor, for what has to be carried out while QEMU is held up. */
  readonly urgent: string;
  readonly guest: string;
  readonly console: string;
  readonly log: string;
  readonly disk: string;
}

/** Where a VM's files are in its folder. */
export function qemuFiles(folder: string): QemuFiles {
  return {
    monitor: join(folder, 'qmp.sock'),
    urgent: join(folder, 'urgent.sock'),
    guest: join(folder, 'guest.sock'),
    console: join(folder, 'console.log'),
    log: join(folder, 'qemu.log'),
    disk: join(folder, 'disk.qcow2'),
  };
}

/** Removes what a QEMU before this one left. */
export async function clearSockets({ monitor, urgent, guest }: QemuFiles): Promise<void> {
  await Promise.all([monitor, urgent, guest].map((path) => rm(path, { force: true })));
}

/** The last line that a QEMU said. */
export async function lastWords({ log }: QemuFiles): Promise<string> {
  const said = await readFile(log, 'utf8').catch(() => '');
  return said.trim().split('\n').at(-1) || 'it said nothing';
}

/**
 * The arguments of QEMU for one VM.
 * @param incoming true: waits to be sent a running VM, and stands still when it has got it
 * @throws TagalongError IMAGE_UNKNOWN
 */
export function commandLine(
  { accel, cpu, images }: AgentConfig['qemu'],
  { vm, machine, mtu }: { readonly vm: string; readonly machine: Machine; readonly mtu: number },
  files: QemuFiles,
  incoming: boolean,
): string[] {
  const image = images[machine.image];
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
  const disk = [
    ...['-blockdev', JSON.stringify({ driver: 'file', filename: files.disk, 'node-name': 'file0' })],
    ...['-blockdev', JSON.stringify({ driver: 'qcow2', file: 'file0', 'node-name': 'disk0' })],
    ...['-device', 'virtio-blk-pci,id=vda,drive=disk0,bus=pcie.0,addr=6'],
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
    ...(machine.spec.diskBytes > 0 ? disk : []),
    ...(incoming ? ['-S', '-incoming', 'defer'] : []),
  ];
}
