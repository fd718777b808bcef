/** A QEMU that waits to be sent a VM. */
import type { AgentConfig } from '#shared/config/agent.ts';
import type { Landing } from '#shared/hypervisor/qemu/protocol.ts';
import { serveDisk } from './disk.ts';
import { credentials } from './encryption.ts';
import { capabilities, type MigrateInfo, parameters, tcp } from './memory.ts';
import type { Qmp } from './qmp.ts';

/** Makes QEMU wait for a VM, and for its disk where it has one. */
export async function listen(
  qmp: Qmp,
  settings: AgentConfig['qemu'],
  certificates: string | undefined,
  { memoryPort, diskPort, postCopy }: Landing,
  hasDisk: boolean,
): Promise<void> {
  await qmp.execute('migrate-set-capabilities', { capabilities: capabilities(settings, 'destination', postCopy) });
  const creds = await credentials(qmp, certificates, 'server');
  await qmp.execute('migrate-set-parameters', { ...parameters(settings), 'tls-creds': creds });
  if (hasDisk) await serveDisk(qmp, diskPort, settings.mptcp, creds);
  const addr = { ...tcp('0.0.0.0', memoryPort, settings.mptcp), transport: 'socket' };
  const channels = [{ 'channel-type': 'main', addr }];
  // Last: whoever finds it waiting knows that all the rest was done.
  await qmp.execute('migrate-incoming', { channels, 'exit-on-error': false });
}

/** True while QEMU waits for the VM, takes it in, or has it. */
export async function isListening(qmp: Qmp | undefined): Promise<boolean> {
  const info = await qmp?.execute<MigrateInfo>('query-migrate').catch(() => undefined);
  return !['none', 'failed'].includes(info?.status ?? 'none');
}
