/** Detects whether guests can run under KVM on this host. The device alone does not prove it: a nested KVM may run no guest. */
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentConfig } from '#shared/config/agent.ts';
import { run } from './process.ts';

/** A working guest ends within a second; a broken one never does. */
const PROBE_MS = 10_000;

/**
 * Boots a guest of a few instructions under KVM: a boot sector that ends QEMU through its debug port.
 * @returns true where the guest ended
 */
export async function kvmWorks(binary: string): Promise<boolean> {
  try {
    await access('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return false;
  }
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-kvm-'));
  try {
    const sector = Buffer.alloc(512);
    // mov al, 21h; out F4h, al; hlt: QEMU ends with (21h << 1) | 1.
    sector.set([0xb0, 0x21, 0xe6, 0xf4, 0xf4]);
    sector.writeUInt16LE(0xaa55, 510);
    const disk = join(folder, 'probe.img');
    await writeFile(disk, sector);
    const args = ['-accel', 'kvm', '-machine', 'pc', '-cpu', 'max', '-m', '16', '-display', 'none', '-nodefaults'];
    const drive = ['-drive', `file=${disk},format=raw,if=ide`, '-device', 'isa-debug-exit,iobase=0xf4'];
    const code = await run(binary, [...args, ...drive], { timeout: PROBE_MS, killSignal: 'SIGKILL' }).then(
      () => 0,
      (error: { code?: number | string }) => error.code,
    );
    return code === ((0x21 << 1) | 1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The accelerator for QEMU: as configured, or by a test where that is `auto`. */
export async function chooseAccel({ accel, binary }: AgentConfig['qemu']): Promise<'kvm' | 'tcg'> {
  if (accel !== 'auto') return accel;
  return (await kvmWorks(binary)) ? 'kvm' : 'tcg';
}
